WITH scoped AS (
    SELECT
        1
    FROM events
    WHERE site_id = CAST($1 AS text)
        AND (path = CAST($2 AS text) AND NOT coalesce((properties ->> CAST($3 AS text) COLLATE "C" = CAST($4 AS text) AND json_typeof(properties -> CAST($3 AS text) COLLATE "C") = 'string'), FALSE) AND property_number(properties, CAST($7 AS text) COLLATE "C") BETWEEN CAST($5 AS double precision) AND CAST($6 AS double precision) AND property_number(properties, CAST($7 AS text) COLLATE "C") BETWEEN CAST($8 AS double precision) AND CAST($9 AS double precision) AND user_id > CAST($10 AS text) AND ((properties ->> CAST($11 AS text) COLLATE "C" IN (CAST($12 AS text), CAST($13 AS text)) AND json_typeof(properties -> CAST($11 AS text) COLLATE "C") = 'string') OR property_number(properties, CAST($11 AS text) COLLATE "C") = CAST($14 AS double precision) OR CASE json_typeof(properties -> CAST($11 AS text) COLLATE "C") WHEN 'boolean' THEN properties ->> CAST($11 AS text) COLLATE "C" END = CAST($15 AS text)) AND event_id = CAST($16 AS uuid) AND (strpos(name, CAST($17 AS text)) > 0 OR session_id IS NOT NULL) AND 1 = 0 AND source IS NULL AND 1 = 0)
)
SELECT
    count(*) AS metric_0
FROM scoped

-- $1: 'default'
-- $2: '/a'
-- $3: 'plan'
-- $4: 'free'
-- $5: 10.000000000000002
-- $6: 1.7976931348623157e+308
-- $7: 'amount'
-- $8: -1.7976931348623157e+308
-- $9: 20.499999999999996
-- $10: 'm'
-- $11: 'mixed'
-- $12: 'a'
-- $13: 'b'
-- $14: 1.0
-- $15: 'true'
-- $16: UUID('0198f1c2-0000-7000-8000-000000000001')
-- $17: 'buy'

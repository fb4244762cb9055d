WITH scoped AS (
    SELECT
        1
    FROM events
    WHERE site_id = $1
        AND (path = $2 AND NOT coalesce((json_extract_string(properties, $3) = $4 AND left(CAST(json_extract(properties, $3) AS VARCHAR), 1) = '"'), FALSE) AND TRY_CAST(CAST(json_extract(properties, $7) AS VARCHAR) AS DOUBLE) BETWEEN $5 AND $6 AND TRY_CAST(CAST(json_extract(properties, $7) AS VARCHAR) AS DOUBLE) BETWEEN $8 AND $9 AND user_id > $10 AND ((json_extract_string(properties, $11) IN ($12, $13) AND left(CAST(json_extract(properties, $11) AS VARCHAR), 1) = '"') OR TRY_CAST(CAST(json_extract(properties, $11) AS VARCHAR) AS DOUBLE) = $14 OR CAST(json_extract(properties, $11) AS VARCHAR) = $15) AND event_id = CAST($16 AS UUID) AND (contains(name, $17) OR session_id IS NOT NULL) AND 1 = 0 AND source IS NULL AND 1 = 0)
)
SELECT
    count(*) AS metric_0
FROM scoped

-- $1: 'default'
-- $2: '/a'
-- $3: '/plan'
-- $4: 'free'
-- $5: 10.000000000000002
-- $6: 1.7976931348623157e+308
-- $7: '/amount'
-- $8: -1.7976931348623157e+308
-- $9: 20.499999999999996
-- $10: 'm'
-- $11: '/mixed'
-- $12: 'a'
-- $13: 'b'
-- $14: 1.0
-- $15: 'true'
-- $16: '0198f1c2-0000-7000-8000-000000000001'
-- $17: 'buy'

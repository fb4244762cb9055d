WITH scoped AS (
    SELECT
        session_id,
        CASE WHEN (properties ->> CAST($1 AS text) COLLATE "C" = CAST($2 AS text) AND json_typeof(properties -> CAST($1 AS text) COLLATE "C") = 'string') THEN property_number(properties, CAST($3 AS text) COLLATE "C") END AS value_0,
        CASE WHEN (properties ->> CAST($1 AS text) COLLATE "C" = CAST($2 AS text) AND json_typeof(properties -> CAST($1 AS text) COLLATE "C") = 'string') THEN property_number(properties, CAST($3 AS text) COLLATE "C") END AS value_1,
        CASE WHEN (properties ->> CAST($1 AS text) COLLATE "C" = CAST($2 AS text) AND json_typeof(properties -> CAST($1 AS text) COLLATE "C") = 'string') THEN property_number(properties, CAST($3 AS text) COLLATE "C") END AS value_2,
        CASE WHEN (properties ->> CAST($1 AS text) COLLATE "C" = CAST($2 AS text) AND json_typeof(properties -> CAST($1 AS text) COLLATE "C") = 'string') THEN property_number(properties, CAST($3 AS text) COLLATE "C") END AS value_3
    FROM events
    WHERE site_id = CAST($4 AS text)
)
SELECT
    whole_sum(sum(value_0) FILTER (WHERE abs(value_0) < 1e290), sum(value_0 / 2 ^ 64) FILTER (WHERE abs(value_0) >= 1e290 AND abs(value_0) < 'Infinity')) AS metric_0,
    whole_mean(sum(value_1) FILTER (WHERE abs(value_1) < 1e290), sum(value_1 / 2 ^ 64) FILTER (WHERE abs(value_1) >= 1e290 AND abs(value_1) < 'Infinity'), count(value_1) FILTER (WHERE abs(value_1) < 'Infinity')) AS metric_1,
    max(CASE WHEN abs(value_2) < 'Infinity' THEN value_2 END) AS metric_2,
    percentile_cont(0.9) WITHIN GROUP (ORDER BY CASE WHEN abs(value_3) < 'Infinity' THEN value_3 END) AS metric_3,
    count(DISTINCT session_id) AS metric_4
FROM scoped

-- $1: 'plan'
-- $2: 'pro'
-- $3: 'amount'
-- $4: 'default'

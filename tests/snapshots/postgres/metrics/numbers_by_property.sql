WITH scoped AS (
    SELECT
        property_text(properties, CAST($1 AS text) COLLATE "C") AS dim_0,
        source AS dim_1,
        property_number(properties, CAST($2 AS text) COLLATE "C") AS value_0,
        property_number(properties, CAST($2 AS text) COLLATE "C") AS value_1,
        property_number(properties, CAST($2 AS text) COLLATE "C") AS value_2,
        property_number(properties, CAST($2 AS text) COLLATE "C") AS value_3,
        property_number(properties, CAST($2 AS text) COLLATE "C") AS value_4,
        property_number(properties, CAST($2 AS text) COLLATE "C") AS value_5
    FROM events
    WHERE site_id = CAST($3 AS text)
)
SELECT
    dim_0,
    dim_1,
    whole_sum(sum(value_0) FILTER (WHERE abs(value_0) < 1e290), sum(value_0 / 2 ^ 64) FILTER (WHERE abs(value_0) >= 1e290 AND abs(value_0) < 'Infinity')) AS metric_0,
    whole_mean(sum(value_1) FILTER (WHERE abs(value_1) < 1e290), sum(value_1 / 2 ^ 64) FILTER (WHERE abs(value_1) >= 1e290 AND abs(value_1) < 'Infinity'), count(value_1) FILTER (WHERE abs(value_1) < 'Infinity')) AS metric_1,
    min(CASE WHEN abs(value_2) < 'Infinity' THEN value_2 END) AS metric_2,
    percentile_cont(0.5) WITHIN GROUP (ORDER BY CASE WHEN abs(value_3) < 'Infinity' THEN value_3 END) AS metric_3,
    percentile_cont(0.9) WITHIN GROUP (ORDER BY CASE WHEN abs(value_4) < 'Infinity' THEN value_4 END) AS metric_4,
    percentile_cont(0.95) WITHIN GROUP (ORDER BY CASE WHEN abs(value_5) < 'Infinity' THEN value_5 END) AS metric_5
FROM scoped
GROUP BY dim_0, dim_1
ORDER BY dim_0 NULLS LAST, dim_1 NULLS LAST
LIMIT 10001

-- $1: 'plan'
-- $2: 'amount'
-- $3: 'default'

WITH scoped AS (
    SELECT
        json_extract_string(properties, $1) AS dim_0,
        source AS dim_1,
        TRY_CAST(CAST(json_extract(properties, $2) AS VARCHAR) AS DOUBLE) AS value_0,
        TRY_CAST(CAST(json_extract(properties, $2) AS VARCHAR) AS DOUBLE) AS value_1,
        TRY_CAST(CAST(json_extract(properties, $2) AS VARCHAR) AS DOUBLE) AS value_2,
        TRY_CAST(CAST(json_extract(properties, $2) AS VARCHAR) AS DOUBLE) AS value_3,
        TRY_CAST(CAST(json_extract(properties, $2) AS VARCHAR) AS DOUBLE) AS value_4,
        TRY_CAST(CAST(json_extract(properties, $2) AS VARCHAR) AS DOUBLE) AS value_5
    FROM events
    WHERE site_id = $3
)
SELECT
    dim_0,
    dim_1,
    sum(CASE WHEN isfinite(value_0) THEN value_0 END) AS metric_0,
    avg(CASE WHEN isfinite(value_1) THEN value_1 END) AS metric_1,
    min(CASE WHEN isfinite(value_2) THEN value_2 END) AS metric_2,
    quantile_cont(CASE WHEN isfinite(value_3) THEN value_3 END, 0.5) AS metric_3,
    quantile_cont(CASE WHEN isfinite(value_4) THEN value_4 END, 0.9) AS metric_4,
    quantile_cont(CASE WHEN isfinite(value_5) THEN value_5 END, 0.95) AS metric_5
FROM scoped
GROUP BY dim_0, dim_1
ORDER BY dim_0 NULLS LAST, dim_1 NULLS LAST
LIMIT 10001

-- $1: '/plan'
-- $2: '/amount'
-- $3: 'default'

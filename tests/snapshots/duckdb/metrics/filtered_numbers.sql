WITH scoped AS (
    SELECT
        session_id,
        CASE WHEN (json_extract_string(properties, $1) = $2 AND left(CAST(json_extract(properties, $1) AS VARCHAR), 1) = '"') THEN TRY_CAST(CAST(json_extract(properties, $3) AS VARCHAR) AS DOUBLE) END AS value_0,
        CASE WHEN (json_extract_string(properties, $1) = $2 AND left(CAST(json_extract(properties, $1) AS VARCHAR), 1) = '"') THEN TRY_CAST(CAST(json_extract(properties, $3) AS VARCHAR) AS DOUBLE) END AS value_1,
        CASE WHEN (json_extract_string(properties, $1) = $2 AND left(CAST(json_extract(properties, $1) AS VARCHAR), 1) = '"') THEN TRY_CAST(CAST(json_extract(properties, $3) AS VARCHAR) AS DOUBLE) END AS value_2,
        CASE WHEN (json_extract_string(properties, $1) = $2 AND left(CAST(json_extract(properties, $1) AS VARCHAR), 1) = '"') THEN TRY_CAST(CAST(json_extract(properties, $3) AS VARCHAR) AS DOUBLE) END AS value_3
    FROM events
    WHERE site_id = $4
)
SELECT
    sum(CASE WHEN isfinite(value_0) THEN value_0 END) AS metric_0,
    avg(CASE WHEN isfinite(value_1) THEN value_1 END) AS metric_1,
    max(CASE WHEN isfinite(value_2) THEN value_2 END) AS metric_2,
    quantile_cont(CASE WHEN isfinite(value_3) THEN value_3 END, 0.9) AS metric_3,
    count(DISTINCT session_id) AS metric_4
FROM scoped

-- $1: '/plan'
-- $2: 'pro'
-- $3: '/amount'
-- $4: 'default'

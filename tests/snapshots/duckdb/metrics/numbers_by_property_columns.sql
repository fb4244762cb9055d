WITH scoped AS (
    SELECT
        p0 AS dim_0,
        source AS dim_1,
        CASE WHEN k1 = 2 THEN TRY_CAST(p1 AS DOUBLE) END AS value_0,
        CASE WHEN k1 = 2 THEN TRY_CAST(p1 AS DOUBLE) END AS value_1,
        CASE WHEN k1 = 2 THEN TRY_CAST(p1 AS DOUBLE) END AS value_2,
        CASE WHEN k1 = 2 THEN TRY_CAST(p1 AS DOUBLE) END AS value_3,
        CASE WHEN k1 = 2 THEN TRY_CAST(p1 AS DOUBLE) END AS value_4,
        CASE WHEN k1 = 2 THEN TRY_CAST(p1 AS DOUBLE) END AS value_5
    FROM (
        SELECT *, rowid
        FROM events
        WHERE shredded >= 2
        UNION ALL
        SELECT * REPLACE (
            CASE left(CAST(json_extract(properties, $2) AS VARCHAR), 1) WHEN 'n' THEN NULL WHEN '"' THEN CASE WHEN contains(CAST(json_extract(properties, $2) AS VARCHAR), '\') THEN CAST(CAST(json_extract(properties, $2) AS VARCHAR) AS JSON)->>'$' ELSE substr(CAST(json_extract(properties, $2) AS VARCHAR), 2, length(CAST(json_extract(properties, $2) AS VARCHAR)) - 2) END ELSE CAST(json_extract(properties, $2) AS VARCHAR) END AS p0,
            CASE left(CAST(json_extract(properties, $2) AS VARCHAR), 1) WHEN '"' THEN 1 WHEN 't' THEN 3 WHEN 'f' THEN 3 WHEN '[' THEN 4 WHEN '{' THEN 4 WHEN 'n' THEN NULL ELSE CASE WHEN CAST(json_extract(properties, $2) AS VARCHAR) IS NOT NULL THEN 2 END END AS k0,
            CASE left(CAST(json_extract(properties, $3) AS VARCHAR), 1) WHEN 'n' THEN NULL WHEN '"' THEN CASE WHEN contains(CAST(json_extract(properties, $3) AS VARCHAR), '\') THEN CAST(CAST(json_extract(properties, $3) AS VARCHAR) AS JSON)->>'$' ELSE substr(CAST(json_extract(properties, $3) AS VARCHAR), 2, length(CAST(json_extract(properties, $3) AS VARCHAR)) - 2) END ELSE CAST(json_extract(properties, $3) AS VARCHAR) END AS p1,
            CASE left(CAST(json_extract(properties, $3) AS VARCHAR), 1) WHEN '"' THEN 1 WHEN 't' THEN 3 WHEN 'f' THEN 3 WHEN '[' THEN 4 WHEN '{' THEN 4 WHEN 'n' THEN NULL ELSE CASE WHEN CAST(json_extract(properties, $3) AS VARCHAR) IS NOT NULL THEN 2 END END AS k1
        ), rowid
        FROM events
        WHERE shredded IS NULL OR shredded < 2
    ) AS events
    WHERE site_id = $1
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

-- $1: 'default'
-- $2: '/plan'
-- $3: '/amount'

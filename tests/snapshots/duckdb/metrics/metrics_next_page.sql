WITH scoped AS (
    SELECT
        (epoch_us(timestamp)) // 86400000000 * 86400000000 AS bucket_key,
        path AS dim_0,
        name AS dim_1
    FROM events
    WHERE site_id = $3
)
SELECT
    bucket_key AS bucket,
    dim_0,
    dim_1,
    count(*) AS metric_0
FROM scoped
WHERE (bucket_key > $1 OR bucket_key = $1 AND (dim_0 > $2 OR dim_0 IS NULL))
GROUP BY bucket_key, dim_0, dim_1
ORDER BY bucket_key NULLS LAST, dim_0 NULLS LAST, dim_1 NULLS LAST
LIMIT 11

-- $1: 1746057600000000
-- $2: '/a'
-- $3: 'default'

WITH scoped AS (
    SELECT
        intDiv(toUnixTimestamp64Micro(timestamp), 86400000000) * 86400000000 AS bucket_key,
        path AS dim_0,
        name AS dim_1
    FROM events
    WHERE site_id = {p3:String}
)
SELECT
    bucket_key AS bucket,
    dim_0,
    dim_1,
    count(*) AS metric_0
FROM scoped
WHERE (bucket_key > {p1:Int64} OR bucket_key = {p1:Int64} AND (dim_0 > {p2:String} OR dim_0 IS NULL))
GROUP BY bucket_key, dim_0, dim_1
ORDER BY bucket_key NULLS LAST, dim_0 NULLS LAST, dim_1 NULLS LAST
LIMIT 11

-- $1: 1746057600000000
-- $2: '/a'
-- $3: 'default'

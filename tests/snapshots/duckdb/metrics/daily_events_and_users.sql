WITH counts AS (
    SELECT
        bucket_key,
        dim_0,
        coalesce(CAST(sum(events) AS BIGINT), 0) AS metric_0
    FROM (
        SELECT
            (epoch_us(bucket) + -345600000000) // 604800000000 * 604800000000 + 345600000000 AS bucket_key,
            site_id AS dim_0,
            events,
            last_received
        FROM rollup
        WHERE bucket >= $1
            AND bucket < $2
    ) AS scoped
    GROUP BY bucket_key, dim_0
    HAVING sum(events) <> 0
),
users AS (
    SELECT
        bucket_key,
        dim_0,
        count(DISTINCT user_id) AS metric_1
    FROM (
        SELECT
            (epoch_us(bucket) + -345600000000) // 604800000000 * 604800000000 + 345600000000 AS bucket_key,
            site_id AS dim_0,
            user_id
        FROM people
        WHERE bucket >= $1
            AND bucket < $2
    ) AS scoped
    GROUP BY bucket_key, dim_0
)
SELECT
    counts.bucket_key AS bucket,
    counts.dim_0,
    metric_0,
    coalesce(metric_1, 0) AS metric_1
FROM counts
LEFT JOIN users ON users.bucket_key = counts.bucket_key AND users.dim_0 = counts.dim_0
ORDER BY counts.bucket_key NULLS LAST, counts.dim_0 NULLS LAST
LIMIT 10001

-- $1: datetime.datetime(2025, 5, 1, 0, 0)
-- $2: datetime.datetime(2025, 6, 1, 0, 0)

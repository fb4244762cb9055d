WITH counts AS (
    SELECT
        bucket_key
    FROM (
        SELECT
            (epoch_us(bucket)) // 86400000000 * 86400000000 AS bucket_key,
            events,
            last_received
        FROM rollup
        WHERE site_id = $1
            AND bucket >= $2
            AND bucket < $3
    ) AS scoped
    GROUP BY bucket_key
    HAVING sum(events) <> 0
),
users AS (
    SELECT
        bucket_key,
        count(DISTINCT user_id) AS metric_0
    FROM (
        SELECT
            (epoch_us(bucket)) // 86400000000 * 86400000000 AS bucket_key,
            user_id
        FROM people
        WHERE site_id = $1
            AND bucket >= $2
            AND bucket < $3
    ) AS scoped
    GROUP BY bucket_key
)
SELECT
    counts.bucket_key AS bucket,
    coalesce(metric_0, 0) AS metric_0
FROM counts
LEFT JOIN users ON users.bucket_key = counts.bucket_key
ORDER BY counts.bucket_key NULLS LAST
LIMIT 20001

-- $1: 'default'
-- $2: datetime.datetime(2025, 5, 1, 0, 0)
-- $3: datetime.datetime(2025, 6, 1, 0, 0)

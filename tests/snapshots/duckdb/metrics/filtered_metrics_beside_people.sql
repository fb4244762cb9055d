WITH counts AS (
    SELECT
        bucket_key,
        coalesce(CAST(sum(CASE WHEN passes_0 THEN events END) AS BIGINT), 0) AS metric_0
    FROM (
        SELECT
            epoch_us(date_trunc('month', bucket)) AS bucket_key,
            events,
            last_received,
            name = $1 AS passes_0
        FROM rollup
        WHERE site_id = $2
            AND bucket >= $3
            AND bucket < $4
    ) AS scoped
    GROUP BY bucket_key
    HAVING sum(events) <> 0
),
users AS (
    SELECT
        bucket_key,
        count(DISTINCT user_id) AS metric_1
    FROM (
        SELECT
            epoch_us(date_trunc('month', bucket)) AS bucket_key,
            user_id
        FROM people
        WHERE site_id = $2
            AND bucket >= $3
            AND bucket < $4
    ) AS scoped
    GROUP BY bucket_key
)
SELECT
    counts.bucket_key AS bucket,
    metric_0,
    coalesce(metric_1, 0) AS metric_1
FROM counts
LEFT JOIN users ON users.bucket_key = counts.bucket_key
ORDER BY counts.bucket_key NULLS LAST
LIMIT 20001

-- $1: 'signup'
-- $2: 'default'
-- $3: datetime.datetime(2025, 5, 1, 0, 0)
-- $4: datetime.datetime(2025, 6, 1, 0, 0)

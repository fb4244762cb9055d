WITH counts AS (
    SELECT
        bucket_key,
        coalesce(CAST(sum(CASE WHEN passes_0 THEN events END) AS BIGINT), 0) AS metric_0
    FROM (
        SELECT
            date_trunc('month', bucket, 'UTC') AS bucket_key,
            events,
            last_received,
            name = CAST($1 AS text) AS passes_0
        FROM rollup
        WHERE site_id = CAST($2 AS text)
            AND bucket >= CAST($3 AS timestamptz)
            AND bucket < CAST($4 AS timestamptz)
    ) AS scoped
    GROUP BY bucket_key
    HAVING sum(events) <> 0
),
users AS (
    SELECT
        bucket_key,
        count(user_id) AS metric_1
    FROM (
        SELECT DISTINCT
            date_trunc('month', CAST(day AS timestamp) AT TIME ZONE 'UTC', 'UTC') AS bucket_key,
            user_id
        FROM people_days
        WHERE site_id = CAST($2 AS text)
            AND day >= CAST($5 AS date)
            AND day < CAST($6 AS date)
    ) AS scoped
    GROUP BY bucket_key
)
SELECT
    CAST(extract(epoch FROM counts.bucket_key) * 1000000 AS bigint) AS bucket,
    metric_0,
    coalesce(metric_1, 0) AS metric_1
FROM counts
LEFT JOIN users ON users.bucket_key = counts.bucket_key
ORDER BY counts.bucket_key NULLS LAST
LIMIT 20001

-- $1: 'signup'
-- $2: 'default'
-- $3: datetime.datetime(2025, 5, 1, 0, 0, tzinfo=datetime.timezone.utc)
-- $4: datetime.datetime(2025, 6, 1, 0, 0, tzinfo=datetime.timezone.utc)
-- $5: datetime.date(2025, 5, 1)
-- $6: datetime.date(2025, 6, 1)

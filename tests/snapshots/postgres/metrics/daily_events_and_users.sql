WITH counts AS (
    SELECT
        bucket_key,
        dim_0,
        coalesce(CAST(sum(events) AS BIGINT), 0) AS metric_0
    FROM (
        SELECT
            date_bin('604800 seconds', bucket, TIMESTAMPTZ '1970-01-05 00:00:00+00') AS bucket_key,
            site_id AS dim_0,
            events,
            last_received
        FROM rollup
        WHERE bucket >= CAST($1 AS timestamptz)
            AND bucket < CAST($2 AS timestamptz)
    ) AS scoped
    GROUP BY bucket_key, dim_0
    HAVING sum(events) <> 0
),
users AS (
    SELECT
        bucket_key,
        dim_0,
        count(user_id) AS metric_1
    FROM (
        SELECT DISTINCT
            date_bin('604800 seconds', CAST(day AS timestamp) AT TIME ZONE 'UTC', TIMESTAMPTZ '1970-01-05 00:00:00+00') AS bucket_key,
            site_id AS dim_0,
            user_id
        FROM people_days
        WHERE day >= CAST($3 AS date)
            AND day < CAST($4 AS date)
    ) AS scoped
    GROUP BY bucket_key, dim_0
)
SELECT
    CAST(extract(epoch FROM counts.bucket_key) * 1000000 AS bigint) AS bucket,
    counts.dim_0,
    metric_0,
    coalesce(metric_1, 0) AS metric_1
FROM counts
LEFT JOIN users ON users.bucket_key = counts.bucket_key AND users.dim_0 = counts.dim_0
ORDER BY counts.bucket_key NULLS LAST, counts.dim_0 NULLS LAST
LIMIT 10001

-- $1: datetime.datetime(2025, 5, 1, 0, 0, tzinfo=datetime.timezone.utc)
-- $2: datetime.datetime(2025, 6, 1, 0, 0, tzinfo=datetime.timezone.utc)
-- $3: datetime.date(2025, 5, 1)
-- $4: datetime.date(2025, 6, 1)

WITH scoped AS (
    SELECT
        CASE WHEN bucket < TIMESTAMPTZ '2025-03-30 01:00:00+00' THEN date_bin('86400 seconds', bucket, TIMESTAMPTZ '1969-12-31 23:00:00+00') + INTERVAL '3600 seconds' ELSE CASE WHEN bucket < TIMESTAMPTZ '2025-10-26 01:00:00+00' THEN date_bin('86400 seconds', bucket, TIMESTAMPTZ '1969-12-31 22:00:00+00') + INTERVAL '7200 seconds' ELSE date_bin('86400 seconds', bucket, TIMESTAMPTZ '1969-12-31 23:00:00+00') + INTERVAL '3600 seconds' END END AS bucket_key,
        events,
        last_received
    FROM rollup
    WHERE site_id = CAST($1 AS text)
        AND bucket >= CAST($2 AS timestamptz)
        AND bucket < CAST($3 AS timestamptz)
)
SELECT
    CAST(extract(epoch FROM bucket_key) * 1000000 AS bigint) AS bucket,
    coalesce(CAST(sum(events) AS BIGINT), 0) AS metric_0
FROM scoped
GROUP BY bucket_key
HAVING sum(events) <> 0
ORDER BY bucket_key NULLS LAST
LIMIT 20001

-- $1: 'default'
-- $2: datetime.datetime(2025, 1, 1, 0, 0, tzinfo=datetime.timezone.utc)
-- $3: datetime.datetime(2026, 1, 1, 0, 0, tzinfo=datetime.timezone.utc)

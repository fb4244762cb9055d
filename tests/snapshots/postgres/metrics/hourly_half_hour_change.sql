WITH scoped AS (
    SELECT
        CASE WHEN timestamp < TIMESTAMPTZ '2025-04-05 15:00:00+00' THEN date_bin('3600 seconds', timestamp, TIMESTAMPTZ '1970-01-01 00:00:00+00') ELSE greatest(TIMESTAMPTZ '2025-04-05 15:00:00+00', date_bin('3600 seconds', timestamp, TIMESTAMPTZ '1969-12-31 23:30:00+00')) END AS bucket_key,
        session_id,
        count(*) AS events
    FROM events
    WHERE site_id = CAST($1 AS text)
        AND timestamp >= CAST($2 AS timestamptz)
        AND timestamp < CAST($3 AS timestamptz)
    GROUP BY bucket_key, session_id
)
SELECT
    CAST(extract(epoch FROM bucket_key) * 1000000 AS bigint) AS bucket,
    count(session_id) AS metric_0
FROM scoped
GROUP BY bucket_key
ORDER BY bucket_key NULLS LAST
LIMIT 20001

-- $1: 'default'
-- $2: datetime.datetime(2025, 4, 5, 0, 0, tzinfo=datetime.timezone.utc)
-- $3: datetime.datetime(2025, 4, 7, 0, 0, tzinfo=datetime.timezone.utc)

WITH scoped AS (
    SELECT
        CASE WHEN timestamp < toDateTime64('2025-03-30 01:00:00', 6, 'UTC') THEN intDiv((toUnixTimestamp64Micro(timestamp) + 3600000000), 86400000000) * 86400000000 ELSE CASE WHEN timestamp < toDateTime64('2025-10-26 01:00:00', 6, 'UTC') THEN intDiv((toUnixTimestamp64Micro(timestamp) + 7200000000), 86400000000) * 86400000000 ELSE intDiv((toUnixTimestamp64Micro(timestamp) + 3600000000), 86400000000) * 86400000000 END END AS bucket_key
    FROM events
    WHERE site_id = {p1:String}
        AND timestamp >= {p2:DateTime64(6, 'UTC')}
        AND timestamp < {p3:DateTime64(6, 'UTC')}
)
SELECT
    bucket_key AS bucket,
    count(*) AS metric_0
FROM scoped
GROUP BY bucket_key
ORDER BY bucket_key NULLS LAST
LIMIT 20001

-- $1: 'default'
-- $2: datetime.datetime(2025, 1, 1, 0, 0, tzinfo=datetime.timezone.utc)
-- $3: datetime.datetime(2026, 1, 1, 0, 0, tzinfo=datetime.timezone.utc)

WITH scoped AS (
    SELECT
        intDiv((toUnixTimestamp64Micro(timestamp) + -345600000000), 604800000000) * 604800000000 + 345600000000 AS bucket_key,
        site_id AS dim_0,
        user_id
    FROM events
    WHERE timestamp >= {p1:DateTime64(6, 'UTC')}
        AND timestamp < {p2:DateTime64(6, 'UTC')}
)
SELECT
    bucket_key AS bucket,
    dim_0,
    count(*) AS metric_0,
    count(DISTINCT user_id) AS metric_1
FROM scoped
GROUP BY bucket_key, dim_0
ORDER BY bucket_key NULLS LAST, dim_0 NULLS LAST
LIMIT 10001

-- $1: datetime.datetime(2025, 5, 1, 0, 0, tzinfo=datetime.timezone.utc)
-- $2: datetime.datetime(2025, 6, 1, 0, 0, tzinfo=datetime.timezone.utc)

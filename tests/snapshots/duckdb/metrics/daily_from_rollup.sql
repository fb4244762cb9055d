WITH scoped AS (
    SELECT
        CASE WHEN bucket < TIMESTAMP '2025-03-30 01:00:00' THEN (epoch_us(bucket) + 3600000000) // 86400000000 * 86400000000 ELSE CASE WHEN bucket < TIMESTAMP '2025-10-26 01:00:00' THEN (epoch_us(bucket) + 7200000000) // 86400000000 * 86400000000 ELSE (epoch_us(bucket) + 3600000000) // 86400000000 * 86400000000 END END AS bucket_key,
        events,
        last_received
    FROM rollup
    WHERE site_id = $1
        AND bucket >= $2
        AND bucket < $3
)
SELECT
    bucket_key AS bucket,
    coalesce(CAST(sum(events) AS BIGINT), 0) AS metric_0
FROM scoped
GROUP BY bucket_key
HAVING sum(events) <> 0
ORDER BY bucket_key NULLS LAST
LIMIT 20001

-- $1: 'default'
-- $2: datetime.datetime(2025, 1, 1, 0, 0)
-- $3: datetime.datetime(2026, 1, 1, 0, 0)

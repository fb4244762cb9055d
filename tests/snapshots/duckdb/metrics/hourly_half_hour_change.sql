WITH scoped AS (
    SELECT
        CASE WHEN timestamp < TIMESTAMP '2025-04-05 15:00:00' THEN (epoch_us(timestamp)) // 3600000000 * 3600000000 ELSE greatest(1743865200000000, (epoch_us(timestamp) + 1800000000) // 3600000000 * 3600000000 + -1800000000) END AS bucket_key,
        session_id
    FROM events
    WHERE site_id = $1
        AND timestamp >= $2
        AND timestamp < $3
)
SELECT
    bucket_key AS bucket,
    count(DISTINCT session_id) AS metric_0
FROM scoped
GROUP BY bucket_key
ORDER BY bucket_key NULLS LAST
LIMIT 20001

-- $1: 'default'
-- $2: datetime.datetime(2025, 4, 5, 0, 0)
-- $3: datetime.datetime(2025, 4, 7, 0, 0)

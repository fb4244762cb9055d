WITH scoped AS (
    SELECT
        (epoch_us(bucket)) // 86400000000 * 86400000000 AS bucket_key,
        events,
        last_received,
        name = $1 AS passes_0,
        name = $1 AS passes_1,
        name = $2 AS passes_2
    FROM rollup
    WHERE site_id = $3
        AND bucket >= $4
        AND bucket < $5
        AND (name = $1 OR name = $2)
)
SELECT
    bucket_key AS bucket,
    coalesce(CAST(sum(CASE WHEN passes_0 THEN events END) AS BIGINT), 0) AS metric_0,
    epoch_us(max(CASE WHEN passes_1 THEN last_received END)) AS metric_1,
    coalesce(CAST(sum(CASE WHEN passes_2 THEN events END) AS BIGINT), 0) AS metric_2
FROM scoped
GROUP BY bucket_key
HAVING sum(events) <> 0
ORDER BY bucket_key NULLS LAST
LIMIT 20001

-- $1: 'signup'
-- $2: 'page_view'
-- $3: 'default'
-- $4: datetime.datetime(2025, 5, 1, 0, 0)
-- $5: datetime.datetime(2025, 6, 1, 0, 0)

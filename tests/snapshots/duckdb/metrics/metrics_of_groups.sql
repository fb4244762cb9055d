WITH scoped AS (
    SELECT
        (epoch_us(timestamp)) // 86400000000 * 86400000000 AS bucket_key,
        path AS dim_0,
        source AS dim_1,
        count(*) AS events
    FROM events
    WHERE site_id = $4
        AND timestamp >= $5
        AND timestamp < $6
    GROUP BY bucket_key, dim_0, dim_1
),
ranked AS (
    SELECT dim_0, dim_1, rank
    FROM (VALUES ($1, $2, 1), (CAST(NULL AS VARCHAR), $3, 2)) AS given_groups(dim_0, dim_1, rank)
)
SELECT
    bucket_key AS bucket,
    ranked.dim_0,
    ranked.dim_1,
    coalesce(CAST(sum(events) AS BIGINT), 0) AS metric_0,
    rank IS NULL AS other
FROM scoped
LEFT JOIN ranked ON scoped.dim_0 IS NOT DISTINCT FROM ranked.dim_0 AND scoped.dim_1 IS NOT DISTINCT FROM ranked.dim_1
GROUP BY bucket_key, rank, ranked.dim_0, ranked.dim_1
ORDER BY bucket_key, rank NULLS LAST
LIMIT 10001

-- $1: '/a'
-- $2: 'web'
-- $3: ''
-- $4: 'default'
-- $5: datetime.datetime(2025, 5, 1, 0, 0)
-- $6: datetime.datetime(2025, 6, 1, 0, 0)

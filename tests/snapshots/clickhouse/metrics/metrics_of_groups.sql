WITH scoped AS (
    SELECT
        intDiv(toUnixTimestamp64Micro(timestamp), 86400000000) * 86400000000 AS bucket_key,
        path AS dim_0,
        source AS dim_1,
        count(*) AS events
    FROM events
    WHERE site_id = {p4:String}
        AND timestamp >= {p5:DateTime64(6, 'UTC')}
        AND timestamp < {p6:DateTime64(6, 'UTC')}
    GROUP BY bucket_key, dim_0, dim_1
),
ranked AS (
    SELECT dim_0, dim_1, rank
    FROM (VALUES ({p1:String}, {p2:String}, 1), (CAST(NULL AS VARCHAR), {p3:String}, 2)) AS given_groups(dim_0, dim_1, rank)
)
SELECT
    bucket_key AS bucket,
    ranked.dim_0,
    ranked.dim_1,
    coalesce(toInt64(sum(events)), 0) AS metric_0,
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
-- $5: datetime.datetime(2025, 5, 1, 0, 0, tzinfo=datetime.timezone.utc)
-- $6: datetime.datetime(2025, 6, 1, 0, 0, tzinfo=datetime.timezone.utc)

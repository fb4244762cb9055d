WITH scoped AS MATERIALIZED (
    SELECT
        dateDiff('day', toDate32('1970-01-01'), toStartOfMonth(timestamp)) * 86400000000 AS bucket_key,
        path AS dim_0,
        count(*) AS events
    FROM events
    WHERE site_id = {p1:String}
        AND timestamp >= {p2:DateTime64(6, 'UTC')}
        AND timestamp < {p3:DateTime64(6, 'UTC')}
    GROUP BY bucket_key, dim_0
),
ranked AS (
    SELECT dim_0, row_number() OVER (ORDER BY metric_0 DESC NULLS LAST, dim_0 NULLS LAST) AS rank
    FROM (
        SELECT dim_0, coalesce(toInt64(sum(events)), 0) AS metric_0
        FROM scoped
        GROUP BY dim_0
    ) AS ranking
    ORDER BY rank
    LIMIT 3
)
SELECT
    bucket_key AS bucket,
    ranked.dim_0,
    coalesce(toInt64(sum(events)), 0) AS metric_0,
    rank IS NULL AS other
FROM scoped
LEFT JOIN ranked ON scoped.dim_0 IS NOT DISTINCT FROM ranked.dim_0
GROUP BY bucket_key, rank, ranked.dim_0
ORDER BY bucket_key, rank NULLS LAST
LIMIT 10001

-- $1: 'default'
-- $2: datetime.datetime(2025, 5, 1, 0, 0, tzinfo=datetime.timezone.utc)
-- $3: datetime.datetime(2025, 6, 1, 0, 0, tzinfo=datetime.timezone.utc)

WITH scoped AS MATERIALIZED (
    SELECT
        date_trunc('month', timestamp, 'UTC') AS bucket_key,
        path AS dim_0,
        count(*) AS events
    FROM events
    WHERE site_id = CAST($1 AS text)
        AND timestamp >= CAST($2 AS timestamptz)
        AND timestamp < CAST($3 AS timestamptz)
    GROUP BY bucket_key, dim_0
),
ranked AS (
    SELECT dim_0, row_number() OVER (ORDER BY metric_0 DESC NULLS LAST, dim_0 NULLS LAST) AS rank
    FROM (
        SELECT dim_0, coalesce(CAST(sum(events) AS BIGINT), 0) AS metric_0
        FROM scoped
        GROUP BY dim_0
    ) AS ranking
    ORDER BY rank
    LIMIT 3
)
SELECT
    CAST(extract(epoch FROM bucket_key) * 1000000 AS bigint) AS bucket,
    ranked.dim_0,
    coalesce(CAST(sum(events) AS BIGINT), 0) AS metric_0,
    rank IS NULL AS other
FROM scoped
LEFT JOIN ranked ON coalesce(scoped.dim_0, '') = coalesce(ranked.dim_0, '') AND (scoped.dim_0 IS NULL) = (ranked.dim_0 IS NULL)
GROUP BY bucket_key, rank, ranked.dim_0
ORDER BY bucket_key, rank NULLS LAST
LIMIT 10001

-- $1: 'default'
-- $2: datetime.datetime(2025, 5, 1, 0, 0, tzinfo=datetime.timezone.utc)
-- $3: datetime.datetime(2025, 6, 1, 0, 0, tzinfo=datetime.timezone.utc)

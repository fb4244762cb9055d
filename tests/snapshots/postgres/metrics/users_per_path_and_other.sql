WITH scoped AS MATERIALIZED (
    SELECT
        path AS dim_0,
        user_id,
        count(*) AS events
    FROM events
    WHERE site_id = CAST($1 AS text)
        AND timestamp >= CAST($2 AS timestamptz)
        AND timestamp < CAST($3 AS timestamptz)
    GROUP BY dim_0, user_id
),
ranked AS (
    SELECT dim_0, row_number() OVER (ORDER BY metric_0 DESC NULLS LAST, dim_0 NULLS LAST) AS rank
    FROM (
        SELECT dim_0, count(DISTINCT user_id) AS metric_0
        FROM scoped
        GROUP BY dim_0
    ) AS ranking
    ORDER BY rank
    LIMIT 3
)
SELECT
    ranked.dim_0,
    count(DISTINCT user_id) AS metric_0,
    rank IS NULL AS other
FROM scoped
LEFT JOIN ranked ON coalesce(scoped.dim_0, '') = coalesce(ranked.dim_0, '') AND (scoped.dim_0 IS NULL) = (ranked.dim_0 IS NULL)
GROUP BY rank, ranked.dim_0
ORDER BY rank NULLS LAST
LIMIT 10001

-- $1: 'default'
-- $2: datetime.datetime(2025, 5, 1, 0, 0, tzinfo=datetime.timezone.utc)
-- $3: datetime.datetime(2025, 6, 1, 0, 0, tzinfo=datetime.timezone.utc)

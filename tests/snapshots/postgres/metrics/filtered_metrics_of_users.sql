WITH scoped AS MATERIALIZED (
    SELECT
        date_bin('86400 seconds', timestamp, TIMESTAMPTZ '1970-01-01 00:00:00+00') AS bucket_key,
        path AS dim_0,
        user_id,
        count(*) AS events,
        count(CASE WHEN (properties ->> CAST($1 AS text) COLLATE "C" = CAST($2 AS text) AND json_typeof(properties -> CAST($1 AS text) COLLATE "C") = 'string') THEN 1 END) AS events_0,
        count(CASE WHEN (properties ->> CAST($1 AS text) COLLATE "C" = CAST($2 AS text) AND json_typeof(properties -> CAST($1 AS text) COLLATE "C") = 'string') THEN 1 END) AS events_1,
        count(CASE WHEN name = CAST($3 AS text) THEN 1 END) AS events_2
    FROM events
    WHERE site_id = CAST($4 AS text)
        AND timestamp >= CAST($5 AS timestamptz)
        AND timestamp < CAST($6 AS timestamptz)
        AND ((properties ->> CAST($1 AS text) COLLATE "C" = CAST($2 AS text) AND json_typeof(properties -> CAST($1 AS text) COLLATE "C") = 'string') OR name = CAST($3 AS text))
    GROUP BY bucket_key, dim_0, user_id
),
ranked AS (
    SELECT dim_0, row_number() OVER (ORDER BY metric_0 DESC NULLS LAST, dim_0 NULLS LAST) AS rank
    FROM (
        SELECT dim_0, count(DISTINCT CASE WHEN events_0 > 0 THEN user_id END) AS metric_0
        FROM scoped
        GROUP BY dim_0
    ) AS ranking
    ORDER BY rank
    LIMIT 3
)
SELECT
    CAST(extract(epoch FROM bucket_key) * 1000000 AS bigint) AS bucket,
    ranked.dim_0,
    count(DISTINCT CASE WHEN events_0 > 0 THEN user_id END) AS metric_0,
    CAST(sum(events_1) FILTER (WHERE user_id IS NOT NULL) AS DOUBLE PRECISION) / nullif(count(DISTINCT CASE WHEN events_1 > 0 THEN user_id END), 0) AS metric_1,
    coalesce(CAST(sum(events_2) AS BIGINT), 0) AS metric_2
FROM scoped
JOIN ranked ON coalesce(scoped.dim_0, '') = coalesce(ranked.dim_0, '') AND (scoped.dim_0 IS NULL) = (ranked.dim_0 IS NULL)
GROUP BY bucket_key, rank, ranked.dim_0
ORDER BY bucket_key, rank NULLS LAST
LIMIT 10001

-- $1: 'plan'
-- $2: 'pro'
-- $3: 'page_view'
-- $4: 'default'
-- $5: datetime.datetime(2025, 5, 1, 0, 0, tzinfo=datetime.timezone.utc)
-- $6: datetime.datetime(2025, 6, 1, 0, 0, tzinfo=datetime.timezone.utc)

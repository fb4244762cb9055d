WITH scoped AS (
    SELECT
        date_bin('86400 seconds', timestamp, TIMESTAMPTZ '1970-01-01 00:00:00+00') AS bucket_key,
        path AS dim_0,
        source AS dim_1,
        count(*) AS events
    FROM events
    WHERE site_id = CAST($4 AS text)
        AND timestamp >= CAST($5 AS timestamptz)
        AND timestamp < CAST($6 AS timestamptz)
    GROUP BY bucket_key, dim_0, dim_1
),
ranked AS (
    SELECT dim_0, dim_1, rank
    FROM (VALUES (CAST($1 AS text), CAST($2 AS text), 1), (CAST(NULL AS VARCHAR), CAST($3 AS text), 2)) AS given_groups(dim_0, dim_1, rank)
)
SELECT
    CAST(extract(epoch FROM bucket_key) * 1000000 AS bigint) AS bucket,
    ranked.dim_0,
    ranked.dim_1,
    coalesce(CAST(sum(events) AS BIGINT), 0) AS metric_0,
    rank IS NULL AS other
FROM scoped
LEFT JOIN ranked ON coalesce(scoped.dim_0, '') = coalesce(ranked.dim_0, '') AND (scoped.dim_0 IS NULL) = (ranked.dim_0 IS NULL) AND coalesce(scoped.dim_1, '') = coalesce(ranked.dim_1, '') AND (scoped.dim_1 IS NULL) = (ranked.dim_1 IS NULL)
GROUP BY bucket_key, rank, ranked.dim_0, ranked.dim_1
ORDER BY bucket_key, rank NULLS LAST
LIMIT 10001

-- $1: '/a'
-- $2: 'web'
-- $3: ''
-- $4: 'default'
-- $5: datetime.datetime(2025, 5, 1, 0, 0, tzinfo=datetime.timezone.utc)
-- $6: datetime.datetime(2025, 6, 1, 0, 0, tzinfo=datetime.timezone.utc)

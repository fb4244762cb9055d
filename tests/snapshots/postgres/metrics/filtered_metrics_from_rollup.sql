WITH scoped AS (
    SELECT
        date_bin('86400 seconds', bucket, TIMESTAMPTZ '1970-01-01 00:00:00+00') AS bucket_key,
        events,
        last_received,
        name = CAST($1 AS text) AS passes_0,
        name = CAST($1 AS text) AS passes_1,
        name = CAST($2 AS text) AS passes_2
    FROM rollup
    WHERE site_id = CAST($3 AS text)
        AND bucket >= CAST($4 AS timestamptz)
        AND bucket < CAST($5 AS timestamptz)
        AND (name = CAST($1 AS text) OR name = CAST($2 AS text))
)
SELECT
    CAST(extract(epoch FROM bucket_key) * 1000000 AS bigint) AS bucket,
    coalesce(CAST(sum(CASE WHEN passes_0 THEN events END) AS BIGINT), 0) AS metric_0,
    CAST(extract(epoch FROM max(CASE WHEN passes_1 THEN last_received END)) * 1000000 AS bigint) AS metric_1,
    coalesce(CAST(sum(CASE WHEN passes_2 THEN events END) AS BIGINT), 0) AS metric_2
FROM scoped
GROUP BY bucket_key
HAVING sum(events) <> 0
ORDER BY bucket_key NULLS LAST
LIMIT 20001

-- $1: 'signup'
-- $2: 'page_view'
-- $3: 'default'
-- $4: datetime.datetime(2025, 5, 1, 0, 0, tzinfo=datetime.timezone.utc)
-- $5: datetime.datetime(2025, 6, 1, 0, 0, tzinfo=datetime.timezone.utc)

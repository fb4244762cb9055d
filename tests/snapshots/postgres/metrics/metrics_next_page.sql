WITH scoped AS (
    SELECT
        date_bin('86400 seconds', timestamp, TIMESTAMPTZ '1970-01-01 00:00:00+00') AS bucket_key,
        path AS dim_0,
        name AS dim_1
    FROM events
    WHERE site_id = CAST($3 AS text)
)
SELECT
    CAST(extract(epoch FROM bucket_key) * 1000000 AS bigint) AS bucket,
    dim_0,
    dim_1,
    count(*) AS metric_0
FROM scoped
WHERE (bucket_key > CAST($1 AS timestamptz) OR bucket_key = CAST($1 AS timestamptz) AND (dim_0 > CAST($2 AS text) OR dim_0 IS NULL))
GROUP BY bucket_key, dim_0, dim_1
ORDER BY bucket_key NULLS LAST, dim_0 NULLS LAST, dim_1 NULLS LAST
LIMIT 11

-- $1: datetime.datetime(2025, 5, 1, 0, 0, tzinfo=datetime.timezone.utc)
-- $2: '/a'
-- $3: 'default'

WITH scoped AS (
  SELECT date_bin('86400 seconds', bucket, TIMESTAMPTZ '1970-01-01 00:00:00+00') AS b, events, last_received, name = CAST($1 AS text) AS f0, name = CAST($1 AS text) AS f1, name = CAST($2 AS text) AS f2
  FROM rollup WHERE site_id = CAST($3 AS text) AND bucket >= CAST($4 AS timestamptz) AND bucket < CAST($5 AS timestamptz) AND (name = CAST($1 AS text) OR name = CAST($2 AS text))
)
SELECT CAST(extract(epoch FROM b) * 1000000 AS bigint) AS bucket, coalesce(CAST(sum(CASE WHEN f0 THEN events END) AS BIGINT), 0) AS m0, CAST(extract(epoch FROM max(CASE WHEN f1 THEN last_received END)) * 1000000 AS bigint) AS m1, coalesce(CAST(sum(CASE WHEN f2 THEN events END) AS BIGINT), 0) AS m2
FROM scoped
GROUP BY b
HAVING sum(events) <> 0
ORDER BY b NULLS LAST
LIMIT 20001

-- $1: 'signup'
-- $2: 'page_view'
-- $3: 'default'
-- $4: datetime.datetime(2025, 5, 1, 0, 0, tzinfo=datetime.timezone.utc)
-- $5: datetime.datetime(2025, 6, 1, 0, 0, tzinfo=datetime.timezone.utc)

WITH scoped AS (
  SELECT date_bin('86400 seconds', timestamp, TIMESTAMPTZ '1970-01-01 00:00:00+00') AS b, path AS d0, name AS d1
  FROM events WHERE site_id = CAST($1 AS text)
)
SELECT CAST(extract(epoch FROM b) * 1000000 AS bigint) AS bucket, d0, d1, count(*) AS m0
FROM scoped WHERE (b > CAST($2 AS timestamptz) OR b = CAST($2 AS timestamptz) AND (d0 > CAST($3 AS text) OR d0 IS NULL))
GROUP BY b, d0, d1
ORDER BY b NULLS LAST, d0 NULLS LAST, d1 NULLS LAST
LIMIT 11

-- $1: 'default'
-- $2: datetime.datetime(2025, 5, 1, 0, 0, tzinfo=datetime.timezone.utc)
-- $3: '/a'

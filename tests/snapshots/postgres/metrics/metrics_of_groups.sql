WITH scoped AS (
  SELECT date_bin('86400 seconds', timestamp, TIMESTAMPTZ '1970-01-01 00:00:00+00') AS b, path AS d0, source AS d1, count(*) AS events
  FROM events WHERE site_id = CAST($1 AS text) AND timestamp >= CAST($2 AS timestamptz) AND timestamp < CAST($3 AS timestamptz)
  GROUP BY b, d0, d1
),
ranked AS (
  SELECT d0, d1, place
  FROM (VALUES (CAST($4 AS text), CAST($5 AS text), 1), (CAST(NULL AS VARCHAR), CAST($6 AS text), 2)) AS given(d0, d1, place)
)
SELECT CAST(extract(epoch FROM b) * 1000000 AS bigint) AS bucket, ranked.d0, ranked.d1, coalesce(CAST(sum(events) AS BIGINT), 0) AS m0, place IS NULL AS other
FROM scoped LEFT JOIN ranked ON coalesce(scoped.d0, '') = coalesce(ranked.d0, '') AND (scoped.d0 IS NULL) = (ranked.d0 IS NULL) AND coalesce(scoped.d1, '') = coalesce(ranked.d1, '') AND (scoped.d1 IS NULL) = (ranked.d1 IS NULL)
GROUP BY b, place, ranked.d0, ranked.d1
ORDER BY b, place NULLS LAST
LIMIT 10001

-- $1: 'default'
-- $2: datetime.datetime(2025, 5, 1, 0, 0, tzinfo=datetime.timezone.utc)
-- $3: datetime.datetime(2025, 6, 1, 0, 0, tzinfo=datetime.timezone.utc)
-- $4: '/a'
-- $5: 'web'
-- $6: ''

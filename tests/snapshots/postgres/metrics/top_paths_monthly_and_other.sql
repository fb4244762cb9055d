WITH scoped AS (
  SELECT date_trunc('month', timestamp, 'UTC') AS b, path AS d0, count(*) AS events
  FROM events WHERE site_id = CAST($1 AS text) AND timestamp >= CAST($2 AS timestamptz) AND timestamp < CAST($3 AS timestamptz)
  GROUP BY b, d0
),
ranked AS (
  SELECT d0, row_number() OVER (ORDER BY m0 DESC NULLS LAST, d0 NULLS LAST) AS place
  FROM (SELECT d0, coalesce(CAST(sum(events) AS BIGINT), 0) AS m0 FROM scoped
GROUP BY d0) AS ranking
  ORDER BY place
  LIMIT 3
)
SELECT CAST(extract(epoch FROM b) * 1000000 AS bigint) AS bucket, ranked.d0, coalesce(CAST(sum(events) AS BIGINT), 0) AS m0, place IS NULL AS other
FROM scoped LEFT JOIN ranked ON coalesce(scoped.d0, '') = coalesce(ranked.d0, '') AND (scoped.d0 IS NULL) = (ranked.d0 IS NULL)
GROUP BY b, place, ranked.d0
ORDER BY b, place NULLS LAST
LIMIT 10001

-- $1: 'default'
-- $2: datetime.datetime(2025, 5, 1, 0, 0, tzinfo=datetime.timezone.utc)
-- $3: datetime.datetime(2025, 6, 1, 0, 0, tzinfo=datetime.timezone.utc)

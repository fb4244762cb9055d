WITH scoped AS (
  SELECT epoch_us(date_trunc('month', timestamp)) AS b, path AS d0, count(*) AS events
  FROM events WHERE site_id = $1 AND timestamp >= $2 AND timestamp < $3
  GROUP BY b, d0
),
ranked AS (
  SELECT d0, row_number() OVER (ORDER BY m0 DESC NULLS LAST, d0 NULLS LAST) AS place
  FROM (SELECT d0, coalesce(CAST(sum(events) AS BIGINT), 0) AS m0 FROM scoped
GROUP BY d0) AS ranking
  ORDER BY place
  LIMIT 3
)
SELECT b AS bucket, ranked.d0, coalesce(CAST(sum(events) AS BIGINT), 0) AS m0, place IS NULL AS other
FROM scoped LEFT JOIN ranked ON scoped.d0 IS NOT DISTINCT FROM ranked.d0
GROUP BY b, place, ranked.d0
ORDER BY b, place NULLS LAST
LIMIT 10001

-- $1: 'default'
-- $2: datetime.datetime(2025, 5, 1, 0, 0)
-- $3: datetime.datetime(2025, 6, 1, 0, 0)

WITH scoped AS (
  SELECT path AS d0, user_id
  FROM events WHERE site_id = $1 AND timestamp >= $2 AND timestamp < $3
),
ranked AS (
  SELECT d0, row_number() OVER (ORDER BY m0 DESC NULLS LAST, d0 NULLS LAST) AS place
  FROM (SELECT d0, count(DISTINCT user_id) AS m0 FROM scoped
GROUP BY d0) AS ranking
  ORDER BY place
  LIMIT 3
)
SELECT ranked.d0, count(DISTINCT user_id) AS m0, place IS NULL AS other
FROM scoped LEFT JOIN ranked ON scoped.d0 IS NOT DISTINCT FROM ranked.d0
GROUP BY place, ranked.d0
ORDER BY place NULLS LAST
LIMIT 10001

-- $1: 'default'
-- $2: datetime.datetime(2025, 5, 1, 0, 0)
-- $3: datetime.datetime(2025, 6, 1, 0, 0)

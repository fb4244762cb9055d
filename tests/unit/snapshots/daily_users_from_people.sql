WITH scoped AS (
  SELECT (epoch_us(bucket)) // 86400000000 * 86400000000 AS b, user_id
  FROM people WHERE site_id = $1 AND bucket >= $2 AND bucket < $3
)
SELECT b AS bucket, count(DISTINCT user_id) AS m0
FROM scoped
GROUP BY b
ORDER BY b NULLS LAST
LIMIT 20001

-- $1: 'default'
-- $2: datetime.datetime(2025, 5, 1, 0, 0)
-- $3: datetime.datetime(2025, 6, 1, 0, 0)

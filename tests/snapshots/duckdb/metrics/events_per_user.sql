WITH scoped AS (
  SELECT name AS d0, user_id
  FROM events WHERE site_id = $1
)
SELECT d0, CAST(count(user_id) AS DOUBLE PRECISION) / nullif(count(DISTINCT user_id), 0) AS m0
FROM scoped
GROUP BY d0
ORDER BY d0 NULLS LAST
LIMIT 10001

-- $1: 'default'

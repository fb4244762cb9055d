WITH scoped AS (
  SELECT name AS d0, user_id, session_id
  FROM events WHERE site_id = $1
)
SELECT d0, approx_count_distinct(user_id) AS m0, approx_count_distinct(session_id) AS m1, CAST(count(user_id) AS DOUBLE PRECISION) / nullif(approx_count_distinct(user_id), 0) AS m2
FROM scoped
GROUP BY d0
ORDER BY d0 NULLS LAST
LIMIT 10001

-- $1: 'default'

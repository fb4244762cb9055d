WITH scoped AS (
  SELECT name AS d0, user_id, count(*) AS events
  FROM events WHERE site_id = CAST($1 AS text)
  GROUP BY d0, user_id
)
SELECT d0, CAST(sum(events) FILTER (WHERE user_id IS NOT NULL) AS DOUBLE PRECISION) / nullif(count(user_id), 0) AS m0
FROM scoped
GROUP BY d0
ORDER BY d0 NULLS LAST
LIMIT 10001

-- $1: 'default'

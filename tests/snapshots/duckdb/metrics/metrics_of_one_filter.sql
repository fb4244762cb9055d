WITH scoped AS (
  SELECT user_id
  FROM events WHERE site_id = $1 AND name = $2
)
SELECT count(*) AS m0, count(DISTINCT user_id) AS m1
FROM scoped

-- $1: 'default'
-- $2: 'signup'

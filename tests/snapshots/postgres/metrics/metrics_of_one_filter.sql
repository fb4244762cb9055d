WITH scoped AS (
  SELECT user_id, count(*) AS events
  FROM events WHERE site_id = CAST($1 AS text) AND name = CAST($2 AS text)
  GROUP BY user_id
)
SELECT coalesce(CAST(sum(events) AS BIGINT), 0) AS m0, count(user_id) AS m1
FROM scoped

-- $1: 'default'
-- $2: 'signup'

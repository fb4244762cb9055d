WITH scoped AS (
  SELECT path AS d0
  FROM events WHERE site_id = $1 AND timestamp >= $2 AND timestamp < $3
)
SELECT d0, count(*) AS m0
FROM scoped
GROUP BY d0
ORDER BY m0 DESC NULLS LAST, d0 NULLS LAST
LIMIT 10

-- $1: 'default'
-- $2: datetime.datetime(2025, 5, 1, 0, 0)
-- $3: datetime.datetime(2025, 6, 1, 0, 0)

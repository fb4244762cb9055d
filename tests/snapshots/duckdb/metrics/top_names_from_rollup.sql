WITH scoped AS (
  SELECT name AS d0, events, last_received
  FROM rollup WHERE site_id = $1 AND bucket >= $2 AND bucket < $3
)
SELECT d0, coalesce(CAST(sum(events) AS BIGINT), 0) AS m0
FROM scoped
GROUP BY d0
HAVING sum(events) <> 0
ORDER BY m0 DESC NULLS LAST, d0 NULLS LAST
LIMIT 10

-- $1: 'default'
-- $2: datetime.datetime(2025, 5, 1, 0, 0)
-- $3: datetime.datetime(2025, 6, 1, 0, 0)

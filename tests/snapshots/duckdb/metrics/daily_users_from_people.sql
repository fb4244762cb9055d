WITH counts AS (
  SELECT b
  FROM (SELECT (epoch_us(bucket)) // 86400000000 * 86400000000 AS b, events, last_received
  FROM rollup WHERE site_id = $1 AND bucket >= $2 AND bucket < $3) AS scoped
GROUP BY b
HAVING sum(events) <> 0
), persons AS (
  SELECT b, count(DISTINCT user_id) AS m0
  FROM (SELECT (epoch_us(bucket)) // 86400000000 * 86400000000 AS b, user_id
  FROM people WHERE site_id = $1 AND bucket >= $2 AND bucket < $3) AS scoped
GROUP BY b
)
SELECT counts.b AS bucket, coalesce(m0, 0) AS m0
FROM counts LEFT JOIN persons ON persons.b = counts.b
ORDER BY counts.b NULLS LAST
LIMIT 20001

-- $1: 'default'
-- $2: datetime.datetime(2025, 5, 1, 0, 0)
-- $3: datetime.datetime(2025, 6, 1, 0, 0)

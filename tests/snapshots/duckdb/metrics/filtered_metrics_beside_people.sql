WITH counts AS (
  SELECT b, coalesce(CAST(sum(CASE WHEN f0 THEN events END) AS BIGINT), 0) AS m0
  FROM (SELECT epoch_us(date_trunc('month', bucket)) AS b, events, last_received, name = $1 AS f0
  FROM rollup WHERE site_id = $2 AND bucket >= $3 AND bucket < $4) AS scoped
GROUP BY b
HAVING sum(events) <> 0
), persons AS (
  SELECT b, count(DISTINCT user_id) AS m1
  FROM (SELECT epoch_us(date_trunc('month', bucket)) AS b, user_id
  FROM people WHERE site_id = $2 AND bucket >= $3 AND bucket < $4) AS scoped
GROUP BY b
)
SELECT counts.b AS bucket, m0, coalesce(m1, 0) AS m1
FROM counts LEFT JOIN persons ON persons.b = counts.b
ORDER BY counts.b NULLS LAST
LIMIT 20001

-- $1: 'signup'
-- $2: 'default'
-- $3: datetime.datetime(2025, 5, 1, 0, 0)
-- $4: datetime.datetime(2025, 6, 1, 0, 0)

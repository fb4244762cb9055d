WITH counts AS (
  SELECT b, d0, coalesce(CAST(sum(events) AS BIGINT), 0) AS m0
  FROM (SELECT (epoch_us(bucket) + -345600000000) // 604800000000 * 604800000000 + 345600000000 AS b, site_id AS d0, events, last_received
  FROM rollup WHERE bucket >= $1 AND bucket < $2) AS scoped
GROUP BY b, d0
HAVING sum(events) <> 0
), persons AS (
  SELECT b, d0, count(DISTINCT user_id) AS m1
  FROM (SELECT (epoch_us(bucket) + -345600000000) // 604800000000 * 604800000000 + 345600000000 AS b, site_id AS d0, user_id
  FROM people WHERE bucket >= $1 AND bucket < $2) AS scoped
GROUP BY b, d0
)
SELECT counts.b AS bucket, counts.d0, m0, coalesce(m1, 0) AS m1
FROM counts LEFT JOIN persons ON persons.b = counts.b AND persons.d0 = counts.d0
ORDER BY counts.b NULLS LAST, counts.d0 NULLS LAST
LIMIT 10001

-- $1: datetime.datetime(2025, 5, 1, 0, 0)
-- $2: datetime.datetime(2025, 6, 1, 0, 0)

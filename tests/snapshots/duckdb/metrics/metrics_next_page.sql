WITH scoped AS (
  SELECT (epoch_us(timestamp)) // 86400000000 * 86400000000 AS b, path AS d0, name AS d1
  FROM events WHERE site_id = $1
)
SELECT b AS bucket, d0, d1, count(*) AS m0
FROM scoped WHERE (b > $2 OR b = $2 AND (d0 > $3 OR d0 IS NULL))
GROUP BY b, d0, d1
ORDER BY b NULLS LAST, d0 NULLS LAST, d1 NULLS LAST
LIMIT 11

-- $1: 'default'
-- $2: 1746057600000000
-- $3: '/a'

WITH scoped AS (
  SELECT (epoch_us(timestamp)) // 86400000000 * 86400000000 AS b, path AS d0, user_id, (json_extract_string(properties, $1) = $2 AND left(CAST(json_extract(properties, $1) AS VARCHAR), 1) = '"') AS f0, (json_extract_string(properties, $1) = $2 AND left(CAST(json_extract(properties, $1) AS VARCHAR), 1) = '"') AS f1, name = $3 AS f2
  FROM events WHERE site_id = $4 AND timestamp >= $5 AND timestamp < $6 AND ((json_extract_string(properties, $1) = $2 AND left(CAST(json_extract(properties, $1) AS VARCHAR), 1) = '"') OR name = $3)
),
ranked AS (
  SELECT d0, row_number() OVER (ORDER BY m0 DESC NULLS LAST, d0 NULLS LAST) AS place
  FROM (SELECT d0, count(DISTINCT CASE WHEN f0 THEN user_id END) AS m0 FROM scoped
GROUP BY d0) AS ranking
  ORDER BY place
  LIMIT 3
)
SELECT b AS bucket, ranked.d0, count(DISTINCT CASE WHEN f0 THEN user_id END) AS m0, CAST(count(CASE WHEN f1 THEN user_id END) AS DOUBLE PRECISION) / nullif(count(DISTINCT CASE WHEN f1 THEN user_id END), 0) AS m1, count(CASE WHEN f2 THEN 1 END) AS m2
FROM scoped JOIN ranked ON scoped.d0 IS NOT DISTINCT FROM ranked.d0
GROUP BY b, place, ranked.d0
ORDER BY b, place NULLS LAST
LIMIT 10001

-- $1: '/plan'
-- $2: 'pro'
-- $3: 'page_view'
-- $4: 'default'
-- $5: datetime.datetime(2025, 5, 1, 0, 0)
-- $6: datetime.datetime(2025, 6, 1, 0, 0)

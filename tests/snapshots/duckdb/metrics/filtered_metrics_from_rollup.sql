WITH scoped AS (
  SELECT (epoch_us(bucket)) // 86400000000 * 86400000000 AS b, events, last_received, name = $1 AS f0, name = $1 AS f1, name = $2 AS f2
  FROM rollup WHERE site_id = $3 AND bucket >= $4 AND bucket < $5 AND (name = $1 OR name = $2)
)
SELECT b AS bucket, coalesce(CAST(sum(CASE WHEN f0 THEN events END) AS BIGINT), 0) AS m0, epoch_us(max(CASE WHEN f1 THEN last_received END)) AS m1, coalesce(CAST(sum(CASE WHEN f2 THEN events END) AS BIGINT), 0) AS m2
FROM scoped
GROUP BY b
HAVING sum(events) <> 0
ORDER BY b NULLS LAST
LIMIT 20001

-- $1: 'signup'
-- $2: 'page_view'
-- $3: 'default'
-- $4: datetime.datetime(2025, 5, 1, 0, 0)
-- $5: datetime.datetime(2025, 6, 1, 0, 0)

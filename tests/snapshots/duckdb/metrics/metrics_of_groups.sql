WITH scoped AS (
  SELECT (epoch_us(timestamp)) // 86400000000 * 86400000000 AS b, path AS d0, source AS d1, count(*) AS events
  FROM events WHERE site_id = $1 AND timestamp >= $2 AND timestamp < $3
  GROUP BY b, d0, d1
),
ranked AS (
  SELECT d0, d1, place
  FROM (VALUES ($4, $5, 1), (CAST(NULL AS VARCHAR), $6, 2)) AS given(d0, d1, place)
)
SELECT b AS bucket, ranked.d0, ranked.d1, coalesce(CAST(sum(events) AS BIGINT), 0) AS m0, place IS NULL AS other
FROM scoped LEFT JOIN ranked ON scoped.d0 IS NOT DISTINCT FROM ranked.d0 AND scoped.d1 IS NOT DISTINCT FROM ranked.d1
GROUP BY b, place, ranked.d0, ranked.d1
ORDER BY b, place NULLS LAST
LIMIT 10001

-- $1: 'default'
-- $2: datetime.datetime(2025, 5, 1, 0, 0)
-- $3: datetime.datetime(2025, 6, 1, 0, 0)
-- $4: '/a'
-- $5: 'web'
-- $6: ''

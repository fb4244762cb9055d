WITH active AS (
  SELECT DISTINCT user_id AS u, (epoch_us(timestamp)) // 86400000000 * 86400000000 AS b
  FROM events WHERE site_id = $1 AND timestamp >= $2 AND timestamp < $3 AND name = $4 AND user_id IS NOT NULL
),
counted AS (
  SELECT u, count(*) AS periods, min(b) AS first, max(b) AS last
  FROM active
  GROUP BY u
)
SELECT periods, count(*) AS users, min(first) AS first, max(last) AS last
FROM counted
GROUP BY periods
ORDER BY periods

-- $1: 'default'
-- $2: datetime.datetime(2025, 5, 1, 0, 0)
-- $3: datetime.datetime(2025, 6, 1, 0, 0)
-- $4: 'buy'

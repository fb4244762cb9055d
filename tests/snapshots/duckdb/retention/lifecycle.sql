WITH active AS (
  SELECT DISTINCT user_id AS u, CASE WHEN bucket < TIMESTAMP '2025-03-30 01:00:00' THEN epoch_us(date_trunc('month', bucket + INTERVAL (3600) SECOND)) ELSE epoch_us(date_trunc('month', bucket + INTERVAL (7200) SECOND)) END AS b
  FROM people WHERE site_id = $2 AND bucket < $3
),
walked AS (
  SELECT b, lag(b) OVER (PARTITION BY u ORDER BY b) AS before
  FROM active
)
SELECT b AS period, before IS NULL AS fresh, CASE WHEN b <= before + 2678400000000 THEN before END AS near, count(*) AS users
FROM walked WHERE b >= $1
GROUP BY 1, 2, 3

-- $1: 1740700800000000
-- $2: 'default'
-- $3: datetime.datetime(2025, 6, 1, 0, 0)

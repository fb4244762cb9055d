WITH active AS (
  SELECT DISTINCT user_id AS u, (epoch_us(bucket)) // 86400000000 * 86400000000 AS b
  FROM people WHERE site_id = $1 AND bucket >= $2 AND bucket < $3
),
walked AS (
  SELECT b, lag(b) OVER walk AS before, lead(b) OVER walk AS after
  FROM active WINDOW walk AS (PARTITION BY u ORDER BY b)
)
SELECT b AS day, count(*) AS dau, sum(CASE WHEN before IS NULL OR b >= before + 604800000000 THEN 1 ELSE 0 END), sum(CASE WHEN after IS NULL OR after >= b + 604800000000 THEN 1 ELSE 0 END), sum(CASE WHEN before IS NULL OR b >= before + 2592000000000 THEN 1 ELSE 0 END), sum(CASE WHEN after IS NULL OR after >= b + 2592000000000 THEN 1 ELSE 0 END)
FROM walked
GROUP BY b

-- $1: 'default'
-- $2: datetime.datetime(2025, 4, 2, 0, 0)
-- $3: datetime.datetime(2025, 6, 1, 0, 0)

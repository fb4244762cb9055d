WITH active AS (
  SELECT user_id AS u, CAST(day AS timestamp) AT TIME ZONE 'UTC' AS b
  FROM people_days WHERE site_id = CAST($1 AS text) AND day >= CAST($2 AS date) AND day < CAST($3 AS date)
),
walked AS (
  SELECT b, lag(b) OVER walk AS before, lead(b) OVER walk AS after
  FROM active WINDOW walk AS (PARTITION BY u ORDER BY b)
)
SELECT CAST(extract(epoch FROM b) * 1000000 AS bigint) AS day, count(*) AS dau, sum(CASE WHEN before IS NULL OR b >= before + INTERVAL '604800 seconds' THEN 1 ELSE 0 END), sum(CASE WHEN after IS NULL OR after >= b + INTERVAL '604800 seconds' THEN 1 ELSE 0 END), sum(CASE WHEN before IS NULL OR b >= before + INTERVAL '2592000 seconds' THEN 1 ELSE 0 END), sum(CASE WHEN after IS NULL OR after >= b + INTERVAL '2592000 seconds' THEN 1 ELSE 0 END)
FROM walked
GROUP BY b

-- $1: 'default'
-- $2: datetime.date(2025, 4, 2)
-- $3: datetime.date(2025, 6, 1)

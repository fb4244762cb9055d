WITH began AS (
  SELECT DISTINCT user_id AS u, (epoch_us(bucket)) // 86400000000 * 86400000000 AS b
  FROM people WHERE site_id = $1 AND bucket >= $2 AND bucket < $3
),
came AS (
  SELECT DISTINCT user_id AS u, (epoch_us(bucket)) // 86400000000 * 86400000000 AS b
  FROM people WHERE site_id = $1 AND bucket >= $2 AND bucket < $3
)
SELECT began.b AS cohort, NULL AS period, count(*) AS users
FROM began
GROUP BY b
UNION ALL
SELECT began.b, came.b, count(*)
FROM began JOIN came ON came.u = began.u AND came.b >= began.b AND came.b <= began.b + 777600000000
GROUP BY began.b, came.b
LIMIT 102001

-- $1: 'default'
-- $2: datetime.datetime(2025, 5, 1, 0, 0)
-- $3: datetime.datetime(2025, 6, 1, 0, 0)

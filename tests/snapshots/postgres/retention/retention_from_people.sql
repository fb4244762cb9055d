WITH began AS (
  SELECT user_id AS u, CAST(day AS timestamp) AT TIME ZONE 'UTC' AS b
  FROM people_days WHERE site_id = CAST($1 AS text) AND day >= CAST($2 AS date) AND day < CAST($3 AS date)
),
came AS (
  SELECT user_id AS u, CAST(day AS timestamp) AT TIME ZONE 'UTC' AS b
  FROM people_days WHERE site_id = CAST($1 AS text) AND day >= CAST($2 AS date) AND day < CAST($3 AS date)
)
SELECT CAST(extract(epoch FROM began.b) * 1000000 AS bigint) AS cohort, NULL AS period, count(*) AS users
FROM began
GROUP BY b
UNION ALL
SELECT CAST(extract(epoch FROM began.b) * 1000000 AS bigint), CAST(extract(epoch FROM came.b) * 1000000 AS bigint), count(*)
FROM began JOIN came ON came.u = began.u AND came.b >= began.b AND came.b <= began.b + INTERVAL '777600 seconds'
GROUP BY began.b, came.b
LIMIT 102001

-- $1: 'default'
-- $2: datetime.date(2025, 5, 1)
-- $3: datetime.date(2025, 6, 1)

WITH began AS (
  SELECT u, (epoch_us(first) + -345600000000) // 604800000000 * 604800000000 + 345600000000 AS b
  FROM (
    SELECT user_id AS u, min(timestamp) AS first
    FROM events WHERE site_id = $4 AND timestamp < $6 AND name = $1 AND user_id IS NOT NULL
    GROUP BY user_id
  ) AS firsts WHERE first >= $5
),
came AS (
  SELECT DISTINCT user_id AS u, (epoch_us(timestamp) + -345600000000) // 604800000000 * 604800000000 + 345600000000 AS b
  FROM events WHERE site_id = $4 AND timestamp >= $5 AND timestamp < $6 AND (json_extract_string(properties, $2) = $3 AND left(CAST(json_extract(properties, $2) AS VARCHAR), 1) = '"') AND user_id IS NOT NULL
)
SELECT began.b AS cohort, NULL AS period, count(*) AS users
FROM began
GROUP BY b
UNION ALL
SELECT began.b, came.b, count(*)
FROM began JOIN came ON came.u = began.u AND came.b >= began.b AND came.b <= began.b + 5443200000000
GROUP BY began.b, came.b
LIMIT 102001

-- $1: 'sign_up'
-- $2: '/plan'
-- $3: 'pro'
-- $4: 'default'
-- $5: datetime.datetime(2025, 5, 1, 0, 0)
-- $6: datetime.datetime(2025, 6, 1, 0, 0)

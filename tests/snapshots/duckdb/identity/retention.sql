WITH began AS (
  SELECT u, (epoch_us(first)) // 86400000000 * 86400000000 AS b
  FROM (
    SELECT user_id AS u, min(bucket) AS first
    FROM (
    SELECT site_id, bucket, coalesce(person_id, user_id) AS user_id
    FROM people
    LEFT JOIN (
        SELECT user_id AS of_id, person_id
        FROM identities
        WHERE site_id = $1
    ) AS ids ON of_id = user_id
) AS people WHERE site_id = $1 AND bucket < $3
    GROUP BY user_id
  ) AS firsts WHERE first >= $2
),
came AS (
  SELECT DISTINCT user_id AS u, (epoch_us(bucket)) // 86400000000 * 86400000000 AS b
  FROM (
    SELECT site_id, bucket, coalesce(person_id, user_id) AS user_id
    FROM people
    LEFT JOIN (
        SELECT user_id AS of_id, person_id
        FROM identities
        WHERE site_id = $1
    ) AS ids ON of_id = user_id
) AS people WHERE site_id = $1 AND bucket >= $2 AND bucket < $3
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

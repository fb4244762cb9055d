WITH began AS (
  SELECT u, date_bin('86400 seconds', first, TIMESTAMPTZ '1970-01-01 00:00:00+00') AS b
  FROM (
    SELECT user_id AS u, min(CAST(day AS timestamp) AT TIME ZONE 'UTC') AS first
    FROM (
    SELECT site_id, day, coalesce(person_id, user_id) AS user_id
    FROM people_days
    LEFT JOIN (
        SELECT user_id AS of_id, person_id
        FROM identities
        WHERE site_id = CAST($1 AS text)
    ) AS ids ON of_id = user_id
) AS people_days WHERE site_id = CAST($1 AS text) AND day < CAST($3 AS date)
    GROUP BY user_id
  ) AS firsts WHERE first >= CAST($4 AS timestamptz)
),
came AS (
  SELECT DISTINCT user_id AS u, CAST(day AS timestamp) AT TIME ZONE 'UTC' AS b
  FROM (
    SELECT site_id, day, coalesce(person_id, user_id) AS user_id
    FROM people_days
    LEFT JOIN (
        SELECT user_id AS of_id, person_id
        FROM identities
        WHERE site_id = CAST($1 AS text)
    ) AS ids ON of_id = user_id
) AS people_days WHERE site_id = CAST($1 AS text) AND day >= CAST($2 AS date) AND day < CAST($3 AS date)
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
-- $4: datetime.datetime(2025, 5, 1, 0, 0, tzinfo=datetime.timezone.utc)

WITH cohorts AS (
    SELECT person, date_bin('86400 seconds', first_at, TIMESTAMPTZ '1970-01-01 00:00:00+00') AS period_key
    FROM (
        SELECT user_id AS person, min(CAST(day AS timestamp) AT TIME ZONE 'UTC') AS first_at
        FROM (
            SELECT site_id, day, coalesce(person_id, user_id) AS user_id
            FROM people_days
            LEFT JOIN (
                SELECT user_id AS of_id, person_id
                FROM identities
                WHERE site_id = CAST($1 AS text)
            ) AS ids ON of_id = user_id
        ) AS people_days
        WHERE site_id = CAST($1 AS text)
            AND day < CAST($3 AS date)
        GROUP BY user_id
    ) AS first_times
    WHERE first_at >= CAST($4 AS timestamptz)
),
returning_persons AS (
    SELECT DISTINCT user_id AS person, CAST(day AS timestamp) AT TIME ZONE 'UTC' AS period_key
    FROM (
        SELECT site_id, day, coalesce(person_id, user_id) AS user_id
        FROM people_days
        LEFT JOIN (
            SELECT user_id AS of_id, person_id
            FROM identities
            WHERE site_id = CAST($1 AS text)
        ) AS ids ON of_id = user_id
    ) AS people_days
    WHERE site_id = CAST($1 AS text)
        AND day >= CAST($2 AS date)
        AND day < CAST($3 AS date)
)
SELECT CAST(extract(epoch FROM cohorts.period_key) * 1000000 AS bigint) AS cohort, NULL AS period, count(*) AS users
FROM cohorts
GROUP BY period_key
UNION ALL
SELECT CAST(extract(epoch FROM cohorts.period_key) * 1000000 AS bigint), CAST(extract(epoch FROM returning_persons.period_key) * 1000000 AS bigint), count(*)
FROM cohorts
JOIN returning_persons
    ON returning_persons.person = cohorts.person
    AND returning_persons.period_key >= cohorts.period_key
    AND returning_persons.period_key <= cohorts.period_key + INTERVAL '777600 seconds'
GROUP BY cohorts.period_key, returning_persons.period_key
LIMIT 102001

-- $1: 'default'
-- $2: datetime.date(2025, 5, 1)
-- $3: datetime.date(2025, 6, 1)
-- $4: datetime.datetime(2025, 5, 1, 0, 0, tzinfo=datetime.timezone.utc)

WITH cohorts AS (
    SELECT person, date_bin('604800 seconds', first_at, TIMESTAMPTZ '1970-01-05 00:00:00+00') AS period_key
    FROM (
        SELECT user_id AS person, min(first) AS first_at
        FROM (
            SELECT site_id, day, name, user_number AS user_id, first, more, bot FROM user_times
        ) AS user_times
        WHERE site_id = CAST($2 AS text)
            AND day < CAST($4 AS date)
            AND name = CAST($6 AS text)
        GROUP BY user_id
    ) AS first_times
    WHERE first_at >= CAST($5 AS timestamptz)
),
returning_persons AS (
    SELECT DISTINCT user_id AS person, date_bin('604800 seconds', CAST(day AS timestamp) AT TIME ZONE 'UTC', TIMESTAMPTZ '1970-01-05 00:00:00+00') AS period_key
    FROM (
        SELECT site_id, day, name, user_number AS user_id, first, more, bot FROM user_times
    ) AS user_times
    WHERE site_id = CAST($2 AS text)
        AND day >= CAST($3 AS date)
        AND day < CAST($4 AS date)
        AND name = CAST($1 AS text)
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
    AND returning_persons.period_key <= cohorts.period_key + INTERVAL '5443200 seconds'
GROUP BY cohorts.period_key, returning_persons.period_key
LIMIT 102001

-- $1: 'buy'
-- $2: 'default'
-- $3: datetime.date(2025, 5, 1)
-- $4: datetime.date(2025, 6, 1)
-- $5: datetime.datetime(2025, 5, 1, 0, 0, tzinfo=datetime.timezone.utc)
-- $6: 'sign_up'

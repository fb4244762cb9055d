WITH cohorts AS (
    SELECT user_id AS person, CAST(day AS timestamp) AT TIME ZONE 'UTC' AS period_key
    FROM people_days
    WHERE site_id = CAST($1 AS text)
        AND day >= CAST($2 AS date)
        AND day < CAST($3 AS date)
),
returning_persons AS (
    SELECT user_id AS person, CAST(day AS timestamp) AT TIME ZONE 'UTC' AS period_key
    FROM people_days
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

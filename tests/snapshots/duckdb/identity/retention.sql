WITH cohorts AS (
    SELECT person, (epoch_us(first_at)) // 86400000000 * 86400000000 AS period_key
    FROM (
        SELECT user_id AS person, min(bucket) AS first_at
        FROM (
            SELECT site_id, bucket, coalesce(person_id, user_id) AS user_id
            FROM people
            LEFT JOIN (
                SELECT user_id AS of_id, person_id
                FROM identities
                WHERE site_id = $1
            ) AS ids ON of_id = user_id
        ) AS people
        WHERE site_id = $1
            AND bucket < $3
        GROUP BY user_id
    ) AS first_times
    WHERE first_at >= $2
),
returning_persons AS (
    SELECT DISTINCT user_id AS person, (epoch_us(bucket)) // 86400000000 * 86400000000 AS period_key
    FROM (
        SELECT site_id, bucket, coalesce(person_id, user_id) AS user_id
        FROM people
        LEFT JOIN (
            SELECT user_id AS of_id, person_id
            FROM identities
            WHERE site_id = $1
        ) AS ids ON of_id = user_id
    ) AS people
    WHERE site_id = $1
        AND bucket >= $2
        AND bucket < $3
)
SELECT cohorts.period_key AS cohort, NULL AS period, count(*) AS users
FROM cohorts
GROUP BY period_key
UNION ALL
SELECT cohorts.period_key, returning_persons.period_key, count(*)
FROM cohorts
JOIN returning_persons
    ON returning_persons.person = cohorts.person
    AND returning_persons.period_key >= cohorts.period_key
    AND returning_persons.period_key <= cohorts.period_key + 777600000000
GROUP BY cohorts.period_key, returning_persons.period_key
LIMIT 102001

-- $1: 'default'
-- $2: datetime.datetime(2025, 5, 1, 0, 0)
-- $3: datetime.datetime(2025, 6, 1, 0, 0)

WITH cohorts AS (
    SELECT person, (epoch_us(first_at) + -345600000000) // 604800000000 * 604800000000 + 345600000000 AS period_key
    FROM (
        SELECT user_id AS person, min(timestamp) AS first_at
        FROM events
        WHERE site_id = $3
            AND timestamp < $5
            AND name = $6
            AND user_id IS NOT NULL
        GROUP BY user_id
    ) AS first_times
    WHERE first_at >= $4
),
returning_persons AS (
    SELECT DISTINCT user_id AS person, (epoch_us(timestamp) + -345600000000) // 604800000000 * 604800000000 + 345600000000 AS period_key
    FROM events
    WHERE site_id = $3
        AND timestamp >= $4
        AND timestamp < $5
        AND (json_extract_string(properties, $1) = $2 AND left(CAST(json_extract(properties, $1) AS VARCHAR), 1) = '"')
        AND user_id IS NOT NULL
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
    AND returning_persons.period_key <= cohorts.period_key + 5443200000000
GROUP BY cohorts.period_key, returning_persons.period_key
LIMIT 102001

-- $1: '/plan'
-- $2: 'pro'
-- $3: 'default'
-- $4: datetime.datetime(2025, 5, 1, 0, 0)
-- $5: datetime.datetime(2025, 6, 1, 0, 0)
-- $6: 'sign_up'

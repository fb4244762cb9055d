WITH cohorts AS (
    SELECT person, date_bin('604800 seconds', first_at, TIMESTAMPTZ '1970-01-05 00:00:00+00') AS period_key
    FROM (
        SELECT user_id AS person, min(timestamp) AS first_at
        FROM events
        WHERE site_id = CAST($3 AS text)
            AND timestamp < CAST($5 AS timestamptz)
            AND name = CAST($6 AS text)
            AND user_id IS NOT NULL
        GROUP BY user_id
    ) AS first_times
    WHERE first_at >= CAST($4 AS timestamptz)
),
returning_persons AS (
    SELECT DISTINCT user_id AS person, date_bin('604800 seconds', timestamp, TIMESTAMPTZ '1970-01-05 00:00:00+00') AS period_key
    FROM events
    WHERE site_id = CAST($3 AS text)
        AND timestamp >= CAST($4 AS timestamptz)
        AND timestamp < CAST($5 AS timestamptz)
        AND (properties ->> CAST($1 AS text) COLLATE "C" = CAST($2 AS text) AND json_typeof(properties -> CAST($1 AS text) COLLATE "C") = 'string')
        AND user_id IS NOT NULL
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

-- $1: 'plan'
-- $2: 'pro'
-- $3: 'default'
-- $4: datetime.datetime(2025, 5, 1, 0, 0, tzinfo=datetime.timezone.utc)
-- $5: datetime.datetime(2025, 6, 1, 0, 0, tzinfo=datetime.timezone.utc)
-- $6: 'sign_up'

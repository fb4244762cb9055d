WITH cells AS (
    SELECT cohort, period_key, count(*) AS users
    FROM (
        SELECT date_bin('86400 seconds', first_at, TIMESTAMPTZ '1970-01-01 00:00:00+00') AS cohort, unnest(CAST(NULL AS timestamptz) || period_keys) AS period_key
        FROM (
            SELECT min(first_at) AS first_at, array_agg(period_key) AS period_keys
            FROM (
                SELECT user_id AS person, date_bin('86400 seconds', CAST(day AS timestamp) AT TIME ZONE 'UTC', TIMESTAMPTZ '1970-01-01 00:00:00+00') AS period_key, min(CAST(day AS timestamp) AT TIME ZONE 'UTC') AS first_at
                FROM (
                    SELECT site_id, day, coalesce(person_id, user_id) AS user_id
                    FROM people_days
                    LEFT JOIN (
                        SELECT user_id AS of_id, person_id
                        FROM identities
                        WHERE site_id = CAST($2 AS text)
                    ) AS ids ON of_id = user_id
                ) AS people_days
                WHERE site_id = CAST($2 AS text)
                    AND day < CAST($3 AS date)
                GROUP BY person, period_key
            ) AS periods_of_persons
            WHERE hashtext(person) < 0
            GROUP BY person
            HAVING min(first_at) >= CAST($1 AS timestamptz)
        ) AS cohorts
    ) AS periods_of_cohorts
    WHERE period_key IS NULL OR period_key BETWEEN cohort AND cohort + INTERVAL '777600 seconds'
    GROUP BY cohort, period_key
    UNION ALL
    SELECT cohort, period_key, count(*) AS users
    FROM (
        SELECT date_bin('86400 seconds', first_at, TIMESTAMPTZ '1970-01-01 00:00:00+00') AS cohort, unnest(CAST(NULL AS timestamptz) || period_keys) AS period_key
        FROM (
            SELECT min(first_at) AS first_at, array_agg(period_key) AS period_keys
            FROM (
                SELECT user_id AS person, date_bin('86400 seconds', CAST(day AS timestamp) AT TIME ZONE 'UTC', TIMESTAMPTZ '1970-01-01 00:00:00+00') AS period_key, min(CAST(day AS timestamp) AT TIME ZONE 'UTC') AS first_at
                FROM (
                    SELECT site_id, day, coalesce(person_id, user_id) AS user_id
                    FROM people_days
                    LEFT JOIN (
                        SELECT user_id AS of_id, person_id
                        FROM identities
                        WHERE site_id = CAST($2 AS text)
                    ) AS ids ON of_id = user_id
                ) AS people_days
                WHERE site_id = CAST($2 AS text)
                    AND day < CAST($3 AS date)
                GROUP BY person, period_key
            ) AS periods_of_persons
            WHERE hashtext(person) >= 0
            GROUP BY person
            HAVING min(first_at) >= CAST($1 AS timestamptz)
        ) AS cohorts
    ) AS periods_of_cohorts
    WHERE period_key IS NULL OR period_key BETWEEN cohort AND cohort + INTERVAL '777600 seconds'
    GROUP BY cohort, period_key
)
SELECT CAST(extract(epoch FROM cells.cohort) * 1000000 AS bigint) AS cohort, CAST(extract(epoch FROM period_key) * 1000000 AS bigint) AS period, CAST(sum(users) AS BIGINT) AS users
FROM cells
GROUP BY cells.cohort, period_key
LIMIT 102001

-- $1: datetime.datetime(2025, 5, 1, 0, 0, tzinfo=datetime.timezone.utc)
-- $2: 'default'
-- $3: datetime.date(2025, 6, 1)

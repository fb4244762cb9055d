WITH event_times AS NOT MATERIALIZED (
    SELECT site_id, day, name, user_number AS user_id, first, more, bot FROM user_times
),
persons_with_times_of_half_1 AS (
    SELECT
        user_id AS person,
        min(first) FILTER (WHERE name = CAST($1 AS text)) AS step_1_at,
        merged_times(times) FILTER (WHERE name = CAST($1 AS text)) AS step_1_times,
        merged_times(times) FILTER (WHERE name = CAST($2 AS text)) AS step_2_times,
        merged_times(times) FILTER (WHERE name = CAST($3 AS text)) AS step_3_times
    FROM (
        SELECT *, first || more AS times
        FROM event_times
        WHERE site_id = CAST($4 AS text)
            AND (name = CAST($1 AS text) OR name = CAST($2 AS text) OR name = CAST($3 AS text))
            AND user_id % 2 < 1
            AND day >= CAST($5 AS date)
            AND day < CAST($6 AS date)
    ) AS lists
    GROUP BY user_id
    HAVING min(first) FILTER (WHERE name = CAST($1 AS text)) IS NOT NULL
),
first_attempts_of_half_1 AS (
    SELECT *, step_3_times[width_bucket(step_2_at - INTERVAL '1 microsecond', step_3_times) + 1] AS step_3_at
    FROM (
        SELECT *, step_2_times[width_bucket(step_1_at - INTERVAL '1 microsecond', step_2_times) + 1] AS step_2_at
        FROM (
            SELECT * FROM persons_with_times_of_half_1
            OFFSET '0'
        ) AS attempts_to_step_1
        OFFSET '0'
    ) AS attempts_to_step_2
    OFFSET '0'
),
tries_of_half_1 AS (
    SELECT *, step_3_times[width_bucket(try_2_at - INTERVAL '1 microsecond', step_3_times) + 1] AS try_3_at
    FROM (
        SELECT
            person,
            step_1_at,
            settled,
            step_1_times,
            step_2_times,
            step_3_times,
            unnest(CASE WHEN settled THEN ARRAY[step_2_at] ELSE step_2_times END) AS try_2_at
        FROM (
            SELECT *, coalesce(step_3_at, step_2_at, step_1_at) <= step_1_at + INTERVAL '604800 seconds' AS settled
            FROM first_attempts_of_half_1
            OFFSET '0'
        ) AS first_attempts
        OFFSET '0'
    ) AS attempts_to_step_2
    OFFSET '0'
),
tried_starts_of_half_1 AS (
    SELECT
        *,
        step_1_times[width_bucket(try_2_at - INTERVAL '604800 seconds' - INTERVAL '1 microsecond', step_1_times) + 1] AS start_2,
        step_1_times[width_bucket(try_3_at - INTERVAL '604800 seconds' - INTERVAL '1 microsecond', step_1_times) + 1] AS start_3
    FROM tries_of_half_1
    OFFSET '0'
),
attempts_of_half_1 AS (
    SELECT
        person,
        ARRAY[TIMESTAMPTZ '2000-01-01 00:00:00+00' - steps_done * INTERVAL '1 second', step_1_at, CASE WHEN steps_done >= 2 THEN step_2_at END, CASE WHEN steps_done >= 3 THEN step_3_at END] AS attempt
    FROM (
        SELECT *, step_3_times[width_bucket(step_2_at - INTERVAL '1 microsecond', step_3_times) + 1] AS step_3_at
        FROM (
            SELECT *, step_2_times[width_bucket(step_1_at - INTERVAL '1 microsecond', step_2_times) + 1] AS step_2_at
            FROM (
                SELECT
                    person,
                    CASE WHEN settled THEN 3 WHEN start_3 <= try_2_at THEN 3 WHEN start_2 <= try_2_at THEN 2 ELSE 1 END AS steps_done,
                    CASE WHEN settled THEN step_1_at WHEN start_3 <= try_2_at THEN start_3 WHEN start_2 <= try_2_at THEN start_2 ELSE step_1_at END AS step_1_at,
                    step_2_times,
                    step_3_times
                FROM tried_starts_of_half_1
                OFFSET '0'
            ) AS attempts_to_step_1
            OFFSET '0'
        ) AS attempts_to_step_2
        OFFSET '0'
    ) AS whole_attempts
),
persons_with_times_of_half_2 AS (
    SELECT
        user_id AS person,
        min(first) FILTER (WHERE name = CAST($1 AS text)) AS step_1_at,
        merged_times(times) FILTER (WHERE name = CAST($1 AS text)) AS step_1_times,
        merged_times(times) FILTER (WHERE name = CAST($2 AS text)) AS step_2_times,
        merged_times(times) FILTER (WHERE name = CAST($3 AS text)) AS step_3_times
    FROM (
        SELECT *, first || more AS times
        FROM event_times
        WHERE site_id = CAST($4 AS text)
            AND (name = CAST($1 AS text) OR name = CAST($2 AS text) OR name = CAST($3 AS text))
            AND user_id % 2 >= 1
            AND day >= CAST($5 AS date)
            AND day < CAST($6 AS date)
    ) AS lists
    GROUP BY user_id
    HAVING min(first) FILTER (WHERE name = CAST($1 AS text)) IS NOT NULL
),
first_attempts_of_half_2 AS (
    SELECT *, step_3_times[width_bucket(step_2_at - INTERVAL '1 microsecond', step_3_times) + 1] AS step_3_at
    FROM (
        SELECT *, step_2_times[width_bucket(step_1_at - INTERVAL '1 microsecond', step_2_times) + 1] AS step_2_at
        FROM (
            SELECT * FROM persons_with_times_of_half_2
            OFFSET '0'
        ) AS attempts_to_step_1
        OFFSET '0'
    ) AS attempts_to_step_2
    OFFSET '0'
),
tries_of_half_2 AS (
    SELECT *, step_3_times[width_bucket(try_2_at - INTERVAL '1 microsecond', step_3_times) + 1] AS try_3_at
    FROM (
        SELECT
            person,
            step_1_at,
            settled,
            step_1_times,
            step_2_times,
            step_3_times,
            unnest(CASE WHEN settled THEN ARRAY[step_2_at] ELSE step_2_times END) AS try_2_at
        FROM (
            SELECT *, coalesce(step_3_at, step_2_at, step_1_at) <= step_1_at + INTERVAL '604800 seconds' AS settled
            FROM first_attempts_of_half_2
            OFFSET '0'
        ) AS first_attempts
        OFFSET '0'
    ) AS attempts_to_step_2
    OFFSET '0'
),
tried_starts_of_half_2 AS (
    SELECT
        *,
        step_1_times[width_bucket(try_2_at - INTERVAL '604800 seconds' - INTERVAL '1 microsecond', step_1_times) + 1] AS start_2,
        step_1_times[width_bucket(try_3_at - INTERVAL '604800 seconds' - INTERVAL '1 microsecond', step_1_times) + 1] AS start_3
    FROM tries_of_half_2
    OFFSET '0'
),
attempts_of_half_2 AS (
    SELECT
        person,
        ARRAY[TIMESTAMPTZ '2000-01-01 00:00:00+00' - steps_done * INTERVAL '1 second', step_1_at, CASE WHEN steps_done >= 2 THEN step_2_at END, CASE WHEN steps_done >= 3 THEN step_3_at END] AS attempt
    FROM (
        SELECT *, step_3_times[width_bucket(step_2_at - INTERVAL '1 microsecond', step_3_times) + 1] AS step_3_at
        FROM (
            SELECT *, step_2_times[width_bucket(step_1_at - INTERVAL '1 microsecond', step_2_times) + 1] AS step_2_at
            FROM (
                SELECT
                    person,
                    CASE WHEN settled THEN 3 WHEN start_3 <= try_2_at THEN 3 WHEN start_2 <= try_2_at THEN 2 ELSE 1 END AS steps_done,
                    CASE WHEN settled THEN step_1_at WHEN start_3 <= try_2_at THEN start_3 WHEN start_2 <= try_2_at THEN start_2 ELSE step_1_at END AS step_1_at,
                    step_2_times,
                    step_3_times
                FROM tried_starts_of_half_2
                OFFSET '0'
            ) AS attempts_to_step_1
            OFFSET '0'
        ) AS attempts_to_step_2
        OFFSET '0'
    ) AS whole_attempts
),
persons AS (
    SELECT
        person,
        attempt[2] AS step_1_at,
        attempt[3] AS step_2_at,
        attempt[4] AS step_3_at
    FROM (
        SELECT person, min(attempt) AS attempt
        FROM attempts_of_half_1
        GROUP BY person
    ) AS best_attempts
    UNION ALL
    SELECT
        person,
        attempt[2] AS step_1_at,
        attempt[3] AS step_2_at,
        attempt[4] AS step_3_at
    FROM (
        SELECT person, min(attempt) AS attempt
        FROM attempts_of_half_2
        GROUP BY person
    ) AS best_attempts
)
SELECT
    count(step_1_at) AS persons_1,
    count(step_2_at) AS persons_2,
    count(step_3_at) AS persons_3,
    percentile_cont(0.5) WITHIN GROUP (ORDER BY date_part('epoch', step_2_at - step_1_at)) AS median_seconds_2,
    percentile_cont(0.9) WITHIN GROUP (ORDER BY date_part('epoch', step_2_at - step_1_at)) AS p90_seconds_2,
    percentile_cont(0.5) WITHIN GROUP (ORDER BY date_part('epoch', step_3_at - step_2_at)) AS median_seconds_3,
    percentile_cont(0.9) WITHIN GROUP (ORDER BY date_part('epoch', step_3_at - step_2_at)) AS p90_seconds_3
FROM persons

-- $1: 'view'
-- $2: 'add'
-- $3: 'buy'
-- $4: 'default'
-- $5: datetime.date(2025, 5, 1)
-- $6: datetime.date(2025, 6, 1)

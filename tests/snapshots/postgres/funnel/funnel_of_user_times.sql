WITH event_times AS NOT MATERIALIZED (
    SELECT site_id, day, name, user_number AS user_id, first, more, bot FROM user_times
),
persons_with_times AS (
    SELECT
        user_id AS person,
        min(first) FILTER (WHERE name = CAST($1 AS text)) AS step_1_at,
        merged_times(times) FILTER (WHERE name = CAST($2 AS text)) AS step_2_times,
        merged_times(times) FILTER (WHERE name = CAST($3 AS text)) AS step_3_times
    FROM (
        SELECT *, first || more AS times
        FROM event_times
        WHERE site_id = CAST($4 AS text)
            AND (name = CAST($1 AS text) OR name = CAST($2 AS text) OR name = CAST($3 AS text))
            AND day >= CAST($5 AS date)
            AND day < CAST($6 AS date)
    ) AS lists
    GROUP BY user_id
    HAVING min(first) FILTER (WHERE name = CAST($1 AS text)) IS NOT NULL
),
first_attempts AS (
    SELECT *, step_3_times[width_bucket(step_2_at - INTERVAL '1 microsecond', step_3_times) + 1] AS step_3_at
    FROM (
        SELECT *, step_2_times[width_bucket(step_1_at - INTERVAL '1 microsecond', step_2_times) + 1] AS step_2_at
        FROM (
            SELECT * FROM persons_with_times
            OFFSET 0
        ) AS attempts_to_step_1
        OFFSET 0
    ) AS attempts_to_step_2
    OFFSET 0
),
unsettled AS (
    SELECT *
    FROM first_attempts
    WHERE NOT (coalesce(step_3_at, step_2_at, step_1_at) <= step_1_at + INTERVAL '604800 seconds')
),
starts_of_unsettled AS (
    SELECT person, merged_times(times) AS step_1_times
    FROM (
        SELECT person, times
        FROM (
            SELECT *, first || more AS times
            FROM event_times
            WHERE site_id = CAST($4 AS text)
                AND (name = CAST($1 AS text))
                AND day >= CAST($5 AS date)
                AND day < CAST($6 AS date)
        ) AS lists
        JOIN (
            SELECT person, min(step_2_times[1]) - INTERVAL '604800 seconds' AS earliest, max(step_2_times[cardinality(step_2_times)]) AS latest
            FROM unsettled
            GROUP BY person
        ) AS ranges ON person = user_id AND first <= latest AND times[cardinality(times)] >= earliest
        ORDER BY person, first
    ) AS lists_in_order
    GROUP BY person
),
continued_events AS (
    SELECT
        person,
        step_2_at,
        step_1_times[width_bucket(step_2_at - INTERVAL '604800 seconds' - INTERVAL '1 microsecond', step_1_times) + 1] AS start_2,
        step_1_times[width_bucket(step_3_at - INTERVAL '604800 seconds' - INTERVAL '1 microsecond', step_1_times) + 1] AS start_3
    FROM (
        SELECT *, step_3_times[width_bucket(step_2_at - INTERVAL '1 microsecond', step_3_times) + 1] AS step_3_at
        FROM (
            SELECT
                unsettled.person,
                step_1_times,
                step_3_times,
                unnest(step_2_times) AS step_2_at
            FROM unsettled
            JOIN starts_of_unsettled ON starts_of_unsettled.person = unsettled.person
            OFFSET 0
        ) AS attempts_to_step_2
        OFFSET 0
    ) AS events
    OFFSET 0
),
best_starts AS (
    SELECT
        person,
        min(start_2) FILTER (WHERE start_2 <= step_2_at) AS start_2,
        min(start_3) FILTER (WHERE start_3 <= step_2_at) AS start_3
    FROM continued_events
    GROUP BY person
),
best_attempts AS (
    SELECT
        person,
        step_1_at,
        CASE WHEN steps_done >= 2 THEN step_2_at END AS step_2_at,
        CASE WHEN steps_done >= 3 THEN step_3_at END AS step_3_at
    FROM (
        SELECT *, step_3_times[width_bucket(step_2_at - INTERVAL '1 microsecond', step_3_times) + 1] AS step_3_at
        FROM (
            SELECT *, step_2_times[width_bucket(step_1_at - INTERVAL '1 microsecond', step_2_times) + 1] AS step_2_at
            FROM (
                SELECT
                    unsettled.person,
                    coalesce(start_3, start_2, step_1_at) AS step_1_at,
                    CASE WHEN start_3 IS NOT NULL THEN 3 WHEN start_2 IS NOT NULL THEN 2 ELSE 1 END AS steps_done,
                    step_2_times,
                    step_3_times
                FROM unsettled
                LEFT JOIN best_starts ON best_starts.person = unsettled.person
                OFFSET 0
            ) AS attempts_to_step_1
            OFFSET 0
        ) AS attempts_to_step_2
        OFFSET 0
    ) AS whole_attempts
),
persons AS (
    SELECT
        person,
        step_1_at,
        step_2_at,
        step_3_at
    FROM first_attempts
    WHERE coalesce(step_3_at, step_2_at, step_1_at) <= step_1_at + INTERVAL '604800 seconds'
    UNION ALL
    SELECT
        person,
        step_1_at,
        step_2_at,
        step_3_at
    FROM best_attempts
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

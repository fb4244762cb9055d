WITH unsettled AS MATERIALIZED (
    SELECT *, CAST(row_number() OVER () AS INTEGER) AS person_number
    FROM (
        SELECT DISTINCT user_id AS person
        FROM events
        WHERE user_id IS NOT NULL
            AND (name = CAST($1 AS text))
    ) AS active_persons
),
step_events AS (
    SELECT
        person_number,
        timestamp AS event_at,
        CASE WHEN name = CAST($1 AS text) THEN 1 WHEN name = CAST($1 AS text) THEN 2 ELSE 3 END * 4 + CASE WHEN name = CAST($1 AS text) THEN 1 ELSE 0 END + CASE WHEN name = CAST($1 AS text) THEN 2 ELSE 0 END AS position,
        CASE WHEN name = CAST($1 AS text) THEN 1 ELSE 0 END AS matches_step_1,
        CASE WHEN name = CAST($1 AS text) THEN 1 ELSE 0 END AS matches_step_2
    FROM (
        SELECT *
        FROM events
        WHERE user_id IS NOT NULL
            AND (name = CAST($1 AS text))
    ) AS events
    JOIN unsettled ON person = user_id
),
done_steps AS (
    SELECT
        person_number,
        event_at,
        CASE WHEN matches_step_1 = 1 THEN event_at END AS done_1_at,
        CASE WHEN matches_step_2 = 1 THEN lead(event_at, 1) OVER (PARTITION BY person_number, matches_step_2 ORDER BY event_at) END AS done_2_at
    FROM step_events
),
next_times AS (
    SELECT
        person_number,
        event_at,
        min(done_1_at) OVER from_event_on AS next_1_at,
        min(done_2_at) OVER from_event_on AS next_2_at
    FROM done_steps
    WINDOW from_event_on AS (PARTITION BY person_number ORDER BY event_at DESC)
),
times_in_window AS (
    SELECT person_number, ARRAY(SELECT at FROM unnest(ARRAY[CASE WHEN next_1_at <= event_at + INTERVAL '604800 seconds' THEN next_1_at END, CASE WHEN next_2_at <= event_at + INTERVAL '604800 seconds' THEN next_2_at END]) AS at WHERE at IS NOT NULL ORDER BY at) AS times
    FROM next_times
),
attempts AS (
    SELECT
        person_number,
        times[1] AS step_1_at,
        times[2] AS step_2_at
    FROM times_in_window
),
attempts_by_reach AS (
    SELECT
        person_number,
        CASE WHEN step_2_at IS NOT NULL THEN 2 ELSE 1 END AS steps_done,
        min(step_1_at) AS step_1_at,
        min(step_2_at) AS step_2_at
    FROM attempts
    GROUP BY person_number, steps_done
),
ranked_attempts AS (
    SELECT *, row_number() OVER (PARTITION BY person_number ORDER BY steps_done DESC) AS reach_rank
    FROM attempts_by_reach
),
best_attempts AS (
    SELECT
        person_number,
        step_1_at,
        step_2_at
    FROM ranked_attempts
    WHERE reach_rank = 1
),
persons AS (
    SELECT
        person,
        best_attempts.step_1_at,
        best_attempts.step_2_at
    FROM best_attempts
    JOIN unsettled ON unsettled.person_number = best_attempts.person_number
)
SELECT
    count(step_1_at) AS persons_1,
    count(step_2_at) AS persons_2,
    percentile_cont(0.5) WITHIN GROUP (ORDER BY date_part('epoch', step_2_at - step_1_at)) AS median_seconds_2,
    percentile_cont(0.9) WITHIN GROUP (ORDER BY date_part('epoch', step_2_at - step_1_at)) AS p90_seconds_2
FROM persons

-- $1: 'view'

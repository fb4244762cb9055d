WITH first_attempts AS (
    SELECT user_id AS person, min(timestamp) AS step_1_at
    FROM events
    WHERE site_id = CAST($3 AS text)
        AND user_id IS NOT NULL
        AND (name = CAST($1 AS text))
    GROUP BY user_id
),
unsettled AS MATERIALIZED (
    SELECT *, CAST(row_number() OVER () AS INTEGER) AS person_number
    FROM first_attempts
    WHERE person IN (
        SELECT user_id
        FROM events
        WHERE site_id = CAST($3 AS text)
            AND user_id IS NOT NULL
            AND (name = CAST($2 AS text))
    )
),
step_events AS (
    SELECT
        person_number,
        timestamp AS event_at,
        CAST(CASE WHEN name = CAST($1 AS text) THEN 1 WHEN name = CAST($2 AS text) THEN 2 ELSE 3 END AS SMALLINT) AS step
    FROM (
        SELECT *
        FROM events
        WHERE site_id = CAST($3 AS text)
            AND user_id IS NOT NULL
    ) AS events
    JOIN unsettled ON person = user_id
),
followed_events AS (
    SELECT
        person_number,
        event_at,
        step,
        lead(step, 1) OVER events_of_person AS next_2_step,
        lead(event_at, 1) OVER events_of_person AS next_2_at
    FROM step_events
    WINDOW events_of_person AS (PARTITION BY person_number ORDER BY event_at, step)
),
attempts AS (
    SELECT
        person_number,
        event_at AS step_1_at,
        CASE WHEN next_2_step = 2 AND next_2_at <= event_at + INTERVAL '60 seconds' THEN next_2_at END AS step_2_at
    FROM followed_events
    WHERE step = 1
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
        step_1_at,
        CAST(NULL AS timestamptz) AS step_2_at
    FROM first_attempts
    WHERE NOT EXISTS (SELECT 1 FROM unsettled WHERE unsettled.person = first_attempts.person)
    UNION ALL
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
-- $2: 'buy'
-- $3: 'default'

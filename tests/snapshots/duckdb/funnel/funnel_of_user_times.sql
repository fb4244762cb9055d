WITH event_times AS NOT MATERIALIZED (
    SELECT site_id, name, user_number AS user_id, first, more, bot FROM user_times
    UNION ALL
    SELECT site_id, name, user_number, timestamp, CAST(NULL AS TIMESTAMP[]), is_bot(properties) FROM events
    WHERE rowid >= 900 AND rowid < 1000 AND user_number IS NOT NULL
),
first_attempts_to_step_1 AS MATERIALIZED (
    SELECT *, person AS person_number
    FROM (
        SELECT user_id AS person, min(first) AS step_1_at
        FROM event_times
        WHERE site_id = $4
            AND (name = $1)
        GROUP BY user_id
        HAVING min(first) IS NOT NULL
    ) AS first_events
),
later_events AS (
    SELECT user_id AS person_number, event_at, step
    FROM (
        SELECT user_id, first AS event_at, CAST(CASE WHEN name = $2 THEN 2 ELSE 3 END AS SMALLINT) AS step
        FROM event_times
        WHERE site_id = $4
            AND (name = $2 OR name = $3)
        UNION ALL
        SELECT user_id, unnest(more), CAST(CASE WHEN name = $2 THEN 2 ELSE 3 END AS SMALLINT) AS step
        FROM event_times
        WHERE site_id = $4
            AND (name = $2 OR name = $3)
            AND more IS NOT NULL
    ) AS matching_events
),
next_step_2 AS (
    SELECT later_events.person_number, min(event_at) AS step_2_at
    FROM later_events
    JOIN first_attempts_to_step_1
        ON first_attempts_to_step_1.person_number = later_events.person_number
        AND event_at >= step_1_at
    WHERE step = 2
    GROUP BY later_events.person_number
),
first_attempts_to_step_2 AS (
    SELECT first_attempts_to_step_1.*, step_2_at
    FROM first_attempts_to_step_1
    LEFT JOIN next_step_2 ON next_step_2.person_number = first_attempts_to_step_1.person_number
),
next_step_3 AS (
    SELECT later_events.person_number, min(event_at) AS step_3_at
    FROM later_events
    JOIN first_attempts_to_step_2
        ON first_attempts_to_step_2.person_number = later_events.person_number
        AND event_at >= step_2_at
    WHERE step = 3
    GROUP BY later_events.person_number
),
first_attempts_to_step_3 AS (
    SELECT first_attempts_to_step_2.*, step_3_at
    FROM first_attempts_to_step_2
    LEFT JOIN next_step_3 ON next_step_3.person_number = first_attempts_to_step_2.person_number
),
unsettled AS (
    SELECT
        *,
        CASE WHEN step_3_at IS NOT NULL THEN 3 WHEN step_2_at IS NOT NULL THEN 2 ELSE 1 END AS steps_done,
        coalesce(step_3_at, step_2_at, step_1_at) - INTERVAL '604800 seconds' AS retry_from
    FROM first_attempts_to_step_3
    WHERE NOT (coalesce(step_3_at, step_2_at, step_1_at) <= step_1_at + INTERVAL '604800 seconds')
),
second_attempts_to_step_1 AS (
    SELECT person_number, min(CASE WHEN first >= retry_from THEN first WHEN more[-1] >= retry_from THEN list_filter(more, lambda moment: moment >= retry_from)[1] END) AS step_1_at
    FROM event_times
    JOIN unsettled ON person_number = user_id
    WHERE site_id = $4
        AND (name = $1)
    GROUP BY person_number
    HAVING min(CASE WHEN first >= retry_from THEN first WHEN more[-1] >= retry_from THEN list_filter(more, lambda moment: moment >= retry_from)[1] END) IS NOT NULL
),
second_attempts_to_step_2 AS (
    SELECT second_attempts_to_step_1.person_number, step_1_at, min(event_at) AS step_2_at
    FROM second_attempts_to_step_1
    LEFT JOIN later_events
        ON later_events.person_number = second_attempts_to_step_1.person_number
        AND event_at >= step_1_at
        AND step = 2
    GROUP BY second_attempts_to_step_1.person_number, step_1_at
),
second_attempts_to_step_3 AS (
    SELECT second_attempts_to_step_2.person_number, step_1_at, step_2_at, min(event_at) AS step_3_at
    FROM second_attempts_to_step_2
    LEFT JOIN later_events
        ON later_events.person_number = second_attempts_to_step_2.person_number
        AND event_at >= step_2_at
        AND step = 3
    GROUP BY second_attempts_to_step_2.person_number, step_1_at, step_2_at
),
settled_again AS (
    SELECT second_attempts.*
    FROM second_attempts_to_step_3 AS second_attempts
    JOIN unsettled ON unsettled.person_number = second_attempts.person_number
    WHERE CASE WHEN second_attempts.step_3_at IS NOT NULL THEN 3 WHEN second_attempts.step_2_at IS NOT NULL THEN 2 ELSE 1 END = unsettled.steps_done
        AND coalesce(second_attempts.step_3_at, second_attempts.step_2_at, second_attempts.step_1_at) <= second_attempts.step_1_at + INTERVAL '604800 seconds'
),
remaining_persons AS (
    SELECT person_number FROM unsettled
    EXCEPT
    SELECT person_number FROM settled_again
),
remaining_events AS (
    SELECT later_events.person_number, event_at, step
    FROM later_events
    JOIN remaining_persons ON remaining_persons.person_number = later_events.person_number
),
events_of_steps_2_and_3 AS (
    SELECT person_number, event_at, step
    FROM remaining_events
),
followed_by_step_3 AS (
    SELECT
        person_number,
        event_at,
        step,
        min(CASE WHEN step = 3 THEN event_at END) OVER later_events_of_person AS next_3_at
    FROM events_of_steps_2_and_3
    WINDOW later_events_of_person AS (
        PARTITION BY person_number
        ORDER BY event_at DESC, step DESC
        ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
    )
),
second_step_events AS (
    SELECT
        person_number,
        event_at AS step_2_at,
        next_3_at
    FROM followed_by_step_3
    WHERE step = 2
),
remaining_starts AS (
    SELECT user_id AS person_number, event_at
    FROM (
        SELECT user_id, first AS event_at
        FROM event_times
        JOIN remaining_persons ON person_number = user_id
        WHERE site_id = $4
            AND (name = $1)
        UNION ALL
        SELECT user_id, unnest(more)
        FROM event_times
        JOIN remaining_persons ON person_number = user_id
        WHERE site_id = $4
            AND (name = $1)
            AND more IS NOT NULL
    ) AS matching_events
),
attempts AS (
    SELECT
        remaining_starts.person_number,
        event_at AS step_1_at,
        step_2_at,
        CASE WHEN next_3_at <= event_at + INTERVAL '604800 seconds' THEN next_3_at END AS step_3_at
    FROM remaining_starts
    JOIN second_step_events
        ON second_step_events.person_number = remaining_starts.person_number
        AND step_2_at >= event_at
        AND step_2_at - INTERVAL '604800 seconds' <= event_at
    UNION ALL
    SELECT
        unsettled.person_number,
        step_1_at,
        CAST(NULL AS TIMESTAMP) AS step_2_at,
        CAST(NULL AS TIMESTAMP) AS step_3_at
    FROM unsettled
    JOIN remaining_persons ON remaining_persons.person_number = unsettled.person_number
),
attempts_by_reach AS (
    SELECT
        person_number,
        CASE WHEN step_3_at IS NOT NULL THEN 3 WHEN step_2_at IS NOT NULL THEN 2 ELSE 1 END AS steps_done,
        min(step_1_at) AS step_1_at,
        min(step_2_at) AS step_2_at,
        min(step_3_at) AS step_3_at
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
        step_2_at,
        step_3_at
    FROM ranked_attempts
    WHERE reach_rank = 1
),
persons AS (
    SELECT
        person,
        step_1_at,
        step_2_at,
        step_3_at
    FROM first_attempts_to_step_3
    WHERE coalesce(step_3_at, step_2_at, step_1_at) <= step_1_at + INTERVAL '604800 seconds'
    UNION ALL
    SELECT
        person,
        settled_again.step_1_at,
        settled_again.step_2_at,
        settled_again.step_3_at
    FROM settled_again
    JOIN unsettled ON unsettled.person_number = settled_again.person_number
    UNION ALL
    SELECT
        person,
        best_attempts.step_1_at,
        best_attempts.step_2_at,
        best_attempts.step_3_at
    FROM best_attempts
    JOIN unsettled ON unsettled.person_number = best_attempts.person_number
)
SELECT
    count(step_1_at) AS persons_1,
    count(step_2_at) AS persons_2,
    count(step_3_at) AS persons_3,
    quantile_cont(CAST(epoch_us(step_2_at) - epoch_us(step_1_at) AS DOUBLE PRECISION) / 1000000, 0.5) AS median_seconds_2,
    quantile_cont(CAST(epoch_us(step_2_at) - epoch_us(step_1_at) AS DOUBLE PRECISION) / 1000000, 0.9) AS p90_seconds_2,
    quantile_cont(CAST(epoch_us(step_3_at) - epoch_us(step_2_at) AS DOUBLE PRECISION) / 1000000, 0.5) AS median_seconds_3,
    quantile_cont(CAST(epoch_us(step_3_at) - epoch_us(step_2_at) AS DOUBLE PRECISION) / 1000000, 0.9) AS p90_seconds_3
FROM persons

-- $1: 'view'
-- $2: 'add'
-- $3: 'buy'
-- $4: 'default'

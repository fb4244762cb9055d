WITH first_attempts_to_step_1 AS (
    SELECT *, FALSE AS tied
    FROM (
        SELECT user_id AS person, min(timestamp) AS step_1_at
        FROM events
        WHERE site_id = $4
            AND user_id IS NOT NULL
            AND ((1 = 1) OR timestamp IS NULL)
        GROUP BY user_id
    ) AS first_events
),
next_step_2 AS (
    SELECT
        person,
        min(CASE WHEN timestamp > step_1_at AND (name = $1 AND (json_extract_string(properties, $2) = $3 AND left(CAST(json_extract(properties, $2) AS VARCHAR), 1) = '"')) THEN timestamp END) AS step_2_at,
        sum(CASE WHEN timestamp = step_1_at THEN 1 END) AS events_at_step_before
    FROM (
        SELECT *
        FROM events
        WHERE site_id = $4
            AND user_id IS NOT NULL
            AND (1 = 1 OR (name = $1 AND (json_extract_string(properties, $2) = $3 AND left(CAST(json_extract(properties, $2) AS VARCHAR), 1) = '"')))
    ) AS events
    JOIN first_attempts_to_step_1 ON person = user_id AND timestamp >= step_1_at
    GROUP BY person
),
first_attempts_to_step_2 AS (
    SELECT
        first_attempts_to_step_1.person, step_1_at, step_2_at,
        tied OR coalesce(events_at_step_before, 0) > 1 AS tied
    FROM first_attempts_to_step_1
    LEFT JOIN next_step_2 ON next_step_2.person = first_attempts_to_step_1.person
),
next_step_3 AS (
    SELECT
        person,
        min(CASE WHEN timestamp > step_2_at AND name = $1 THEN timestamp END) AS step_3_at,
        sum(CASE WHEN timestamp = step_2_at THEN 1 END) AS events_at_step_before
    FROM (
        SELECT *
        FROM events
        WHERE site_id = $4
            AND user_id IS NOT NULL
            AND ((name = $1 AND (json_extract_string(properties, $2) = $3 AND left(CAST(json_extract(properties, $2) AS VARCHAR), 1) = '"')) OR name = $1)
    ) AS events
    JOIN first_attempts_to_step_2 ON person = user_id AND timestamp >= step_2_at
    GROUP BY person
),
first_attempts_to_step_3 AS (
    SELECT
        first_attempts_to_step_2.person, step_1_at, step_2_at, step_3_at,
        tied OR coalesce(events_at_step_before, 0) > 1 AS tied
    FROM first_attempts_to_step_2
    LEFT JOIN next_step_3 ON next_step_3.person = first_attempts_to_step_2.person
),
unsettled AS MATERIALIZED (
    SELECT *, CAST(row_number() OVER () AS INTEGER) AS person_number
    FROM first_attempts_to_step_3
    WHERE NOT (coalesce(step_3_at, step_2_at, step_1_at) <= step_1_at + INTERVAL '604800 seconds' AND NOT tied)
),
step_events AS (
    SELECT
        person_number,
        timestamp AS event_at,
        CASE WHEN 1 = 1 THEN 1 WHEN (name = $1 AND (json_extract_string(properties, $2) = $3 AND left(CAST(json_extract(properties, $2) AS VARCHAR), 1) = '"')) THEN 2 WHEN name = $1 THEN 3 ELSE 4 END * 8 + CASE WHEN 1 = 1 THEN 1 ELSE 0 END + CASE WHEN (name = $1 AND (json_extract_string(properties, $2) = $3 AND left(CAST(json_extract(properties, $2) AS VARCHAR), 1) = '"')) THEN 2 ELSE 0 END + CASE WHEN name = $1 THEN 4 ELSE 0 END AS position,
        CASE WHEN 1 = 1 THEN 1 ELSE 0 END AS matches_step_1,
        CASE WHEN (name = $1 AND (json_extract_string(properties, $2) = $3 AND left(CAST(json_extract(properties, $2) AS VARCHAR), 1) = '"')) THEN 1 ELSE 0 END AS matches_step_2,
        CASE WHEN name = $1 THEN 1 ELSE 0 END AS matches_step_3
    FROM (
        SELECT *
        FROM events
        WHERE site_id = $4
            AND user_id IS NOT NULL
            AND (1 = 1 OR (name = $1 AND (json_extract_string(properties, $2) = $3 AND left(CAST(json_extract(properties, $2) AS VARCHAR), 1) = '"')) OR name = $1)
    ) AS events
    JOIN unsettled ON person = user_id
),
numbered_events AS (
    SELECT *, row_number() OVER (PARTITION BY person_number ORDER BY event_at DESC, position DESC) AS number_from_last
    FROM step_events
),
events_of_steps_2_and_3 AS (
    SELECT person_number, event_at, number_from_last, matches_step_1, matches_step_2, matches_step_3
    FROM numbered_events
    WHERE matches_step_3 = 1 OR matches_step_2 = 1
),
followed_by_step_3 AS (
    SELECT
        person_number,
        event_at,
        number_from_last,
        matches_step_1,
        matches_step_2,
        matches_step_3,
        min(CASE WHEN matches_step_3 = 1 THEN event_at END) OVER later_events_of_person AS next_3_at
    FROM events_of_steps_2_and_3
    WINDOW later_events_of_person AS (
        PARTITION BY person_number
        ORDER BY number_from_last
        ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
    )
),
events_of_steps_1_and_2 AS (
    SELECT person_number, event_at, number_from_last, matches_step_1, matches_step_2, matches_step_3, next_3_at
    FROM followed_by_step_3
    WHERE matches_step_2 = 1
    UNION ALL
    SELECT person_number, event_at, number_from_last, matches_step_1, matches_step_2, matches_step_3, CAST(NULL AS TIMESTAMP) AS next_3_at
    FROM numbered_events
    WHERE matches_step_1 = 1 AND NOT matches_step_2 = 1
),
followed_by_step_2 AS (
    SELECT
        person_number,
        event_at,
        number_from_last,
        matches_step_1,
        matches_step_2,
        matches_step_3,
        min(CASE WHEN matches_step_2 = 1 THEN event_at END) OVER later_events_of_person AS next_2_at,
        min(CASE WHEN matches_step_2 = 1 THEN next_3_at END) OVER later_events_of_person AS next_3_at
    FROM events_of_steps_1_and_2
    WINDOW later_events_of_person AS (
        PARTITION BY person_number
        ORDER BY number_from_last
        ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
    )
),
attempts AS (
    SELECT
        person_number,
        event_at AS step_1_at,
        CASE WHEN next_2_at <= event_at + INTERVAL '604800 seconds' THEN next_2_at END AS step_2_at,
        CASE WHEN next_3_at <= event_at + INTERVAL '604800 seconds' THEN next_3_at END AS step_3_at
    FROM followed_by_step_2
    WHERE matches_step_1 = 1
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
    WHERE coalesce(step_3_at, step_2_at, step_1_at) <= step_1_at + INTERVAL '604800 seconds' AND NOT tied
    UNION ALL
    SELECT
        person,
        best_attempts.step_1_at,
        best_attempts.step_2_at,
        best_attempts.step_3_at
    FROM best_attempts
    JOIN unsettled ON unsettled.person_number = best_attempts.person_number
),
starts AS (
    SELECT person, min(step_1_at) AS started_at
    FROM persons
    GROUP BY person
),
values_at_start AS (
    SELECT starts.person, min(breakdown_value) AS breakdown_value
    FROM (
        SELECT user_id, timestamp, path AS breakdown_value
        FROM events
        WHERE site_id = $4
            AND user_id IS NOT NULL
            AND (1 = 1)
    ) AS starting_events
    JOIN starts ON starts.person = user_id AND started_at = timestamp
    GROUP BY starts.person
),
persons_with_value AS (
    SELECT
        step_1_at,
        step_2_at,
        step_3_at,
        breakdown_value
    FROM persons
    JOIN values_at_start ON values_at_start.person = persons.person
),
largest_groups AS (
    SELECT
        breakdown_value,
        row_number() OVER (ORDER BY count(*) DESC, breakdown_value NULLS LAST) AS group_rank
    FROM persons_with_value
    GROUP BY breakdown_value
    ORDER BY group_rank
    LIMIT 3
)
SELECT
    group_rank,
    largest_groups.breakdown_value,
    count(step_1_at) AS persons_1,
    count(step_2_at) AS persons_2,
    count(step_3_at) AS persons_3,
    quantile_cont(CAST(epoch_us(step_2_at) - epoch_us(step_1_at) AS DOUBLE PRECISION) / 1000000, 0.5) AS median_seconds_2,
    quantile_cont(CAST(epoch_us(step_2_at) - epoch_us(step_1_at) AS DOUBLE PRECISION) / 1000000, 0.9) AS p90_seconds_2,
    quantile_cont(CAST(epoch_us(step_3_at) - epoch_us(step_2_at) AS DOUBLE PRECISION) / 1000000, 0.5) AS median_seconds_3,
    quantile_cont(CAST(epoch_us(step_3_at) - epoch_us(step_2_at) AS DOUBLE PRECISION) / 1000000, 0.9) AS p90_seconds_3
FROM persons_with_value
LEFT JOIN largest_groups ON persons_with_value.breakdown_value IS NOT DISTINCT FROM largest_groups.breakdown_value
GROUP BY group_rank, largest_groups.breakdown_value
ORDER BY group_rank NULLS LAST

-- $1: 'add'
-- $2: '/plan'
-- $3: 'pro'
-- $4: 'default'

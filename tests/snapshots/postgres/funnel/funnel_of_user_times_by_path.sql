WITH event_times AS NOT MATERIALIZED (
    SELECT site_id, day, name, user_number AS user_id, first, more, bot FROM user_times
),
persons_with_times AS (
    SELECT
        user_id AS person,
        min(first) FILTER (WHERE name = CAST($1 AS text)) AS step_1_at,
        merged_times(times) FILTER (WHERE name = CAST($2 AS text)) AS step_2_times
    FROM (
        SELECT *, times[1] AS first
        FROM (
            SELECT user_id, name, CASE WHEN day IN (CAST($6 AS date), CAST($7 AS date)) THEN all_times[width_bucket(CAST($4 AS timestamptz) - INTERVAL '1 microsecond', all_times) + 1 : width_bucket(CAST($5 AS timestamptz) - INTERVAL '1 microsecond', all_times)] ELSE all_times END AS times
            FROM (
                SELECT *, first || more AS all_times
                FROM event_times
                WHERE site_id = CAST($3 AS text)
                    AND (name = CAST($1 AS text) OR name = CAST($2 AS text))
                    AND (first >= CAST($4 AS timestamptz) OR more[cardinality(more)] >= CAST($4 AS timestamptz))
                    AND first < CAST($5 AS timestamptz)
                    AND day >= CAST($6 AS date)
                    AND day <= CAST($7 AS date)
            ) AS lists
        ) AS lists_in_range
        WHERE cardinality(times) > 0
    ) AS lists
    GROUP BY user_id
    HAVING min(first) FILTER (WHERE name = CAST($1 AS text)) IS NOT NULL
),
first_attempts AS (
    SELECT *, step_2_times[width_bucket(step_1_at - INTERVAL '1 microsecond', step_2_times) + 1] AS step_2_at
    FROM (
        SELECT * FROM persons_with_times
        OFFSET 0
    ) AS attempts_to_step_1
    OFFSET 0
),
unsettled AS (
    SELECT *
    FROM first_attempts
    WHERE NOT (coalesce(step_2_at, step_1_at) <= step_1_at + INTERVAL '604800 seconds')
),
starts_of_unsettled AS (
    SELECT person, merged_times(times) AS step_1_times
    FROM (
        SELECT person, times
        FROM (
            SELECT *, times[1] AS first
            FROM (
                SELECT user_id, name, CASE WHEN day IN (CAST($6 AS date), CAST($7 AS date)) THEN all_times[width_bucket(CAST($4 AS timestamptz) - INTERVAL '1 microsecond', all_times) + 1 : width_bucket(CAST($5 AS timestamptz) - INTERVAL '1 microsecond', all_times)] ELSE all_times END AS times
                FROM (
                    SELECT *, first || more AS all_times
                    FROM event_times
                    WHERE site_id = CAST($3 AS text)
                        AND (name = CAST($1 AS text))
                        AND (first >= CAST($4 AS timestamptz) OR more[cardinality(more)] >= CAST($4 AS timestamptz))
                        AND first < CAST($5 AS timestamptz)
                        AND day >= CAST($6 AS date)
                        AND day <= CAST($7 AS date)
                ) AS lists
            ) AS lists_in_range
            WHERE cardinality(times) > 0
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
        step_1_times[width_bucket(step_2_at - INTERVAL '604800 seconds' - INTERVAL '1 microsecond', step_1_times) + 1] AS start_2
    FROM (
        SELECT
            unsettled.person,
            step_1_times,
            unnest(step_2_times) AS step_2_at
        FROM unsettled
        JOIN starts_of_unsettled ON starts_of_unsettled.person = unsettled.person
        OFFSET 0
    ) AS events
    OFFSET 0
),
best_starts AS (
    SELECT
        person,
        min(start_2) FILTER (WHERE start_2 <= step_2_at) AS start_2
    FROM continued_events
    GROUP BY person
),
best_attempts AS (
    SELECT
        person,
        step_1_at,
        CASE WHEN steps_done >= 2 THEN step_2_at END AS step_2_at
    FROM (
        SELECT *, step_2_times[width_bucket(step_1_at - INTERVAL '1 microsecond', step_2_times) + 1] AS step_2_at
        FROM (
            SELECT
                unsettled.person,
                coalesce(start_2, step_1_at) AS step_1_at,
                CASE WHEN start_2 IS NOT NULL THEN 2 ELSE 1 END AS steps_done,
                step_2_times
            FROM unsettled
            LEFT JOIN best_starts ON best_starts.person = unsettled.person
            OFFSET 0
        ) AS attempts_to_step_1
        OFFSET 0
    ) AS whole_attempts
),
persons AS (
    SELECT
        person,
        step_1_at,
        step_2_at
    FROM first_attempts
    WHERE coalesce(step_2_at, step_1_at) <= step_1_at + INTERVAL '604800 seconds'
    UNION ALL
    SELECT
        person,
        step_1_at,
        step_2_at
    FROM best_attempts
),
starts AS (
    SELECT person, min(step_1_at) AS started_at
    FROM persons
    GROUP BY person
),
values_at_start AS (
    SELECT person, min(value_of_id) AS breakdown_value
    FROM (
        SELECT starts.person, started_at, sent_id
        FROM starts
        JOIN (
            SELECT number AS person, user_id AS sent_id FROM user_numbers AS users
        ) AS ids ON ids.person = starts.person
        ORDER BY started_at
    ) AS starts_in_order
    CROSS JOIN LATERAL (
        SELECT count(*) AS events, min(path) AS value_of_id
        FROM events
        WHERE site_id = CAST($3 AS text)
            AND timestamp >= CAST($4 AS timestamptz)
            AND timestamp < CAST($5 AS timestamptz)
            AND user_id IS NOT NULL
            AND (name = CAST($1 AS text))
            AND timestamp = started_at
            AND user_id = sent_id
    ) AS starting_events
    WHERE events > 0
    GROUP BY person
),
persons_with_value AS (
    SELECT
        step_1_at,
        step_2_at,
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
    LIMIT 10
)
SELECT
    group_rank,
    largest_groups.breakdown_value,
    count(step_1_at) AS persons_1,
    count(step_2_at) AS persons_2,
    percentile_cont(0.5) WITHIN GROUP (ORDER BY date_part('epoch', step_2_at - step_1_at)) AS median_seconds_2,
    percentile_cont(0.9) WITHIN GROUP (ORDER BY date_part('epoch', step_2_at - step_1_at)) AS p90_seconds_2
FROM persons_with_value
LEFT JOIN largest_groups ON coalesce(persons_with_value.breakdown_value, '') = coalesce(largest_groups.breakdown_value, '') AND (persons_with_value.breakdown_value IS NULL) = (largest_groups.breakdown_value IS NULL)
GROUP BY group_rank, largest_groups.breakdown_value
ORDER BY group_rank NULLS LAST

-- $1: 'view'
-- $2: 'add'
-- $3: 'default'
-- $4: datetime.datetime(2025, 5, 1, 0, 0, tzinfo=datetime.timezone.utc)
-- $5: datetime.datetime(2025, 6, 1, 0, 0, 1, tzinfo=datetime.timezone.utc)
-- $6: datetime.date(2025, 5, 1)
-- $7: datetime.date(2025, 6, 1)

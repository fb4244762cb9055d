WITH event_times AS NOT MATERIALIZED (
    SELECT site_id, day, name, user_number AS user_id, first, more, bot FROM user_times
),
persons_with_times_of_half_1 AS (
    SELECT
        user_id AS person,
        min(first) FILTER (WHERE name = CAST($1 AS text)) AS step_1_at,
        merged_times(times) FILTER (WHERE name = CAST($1 AS text)) AS step_1_times,
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
                    AND user_id % 2 < 1
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
first_attempts_of_half_1 AS (
    SELECT *, step_2_times[width_bucket(step_1_at - INTERVAL '1 microsecond', step_2_times) + 1] AS step_2_at
    FROM (
        SELECT * FROM persons_with_times_of_half_1
        OFFSET '0'
    ) AS attempts_to_step_1
    OFFSET '0'
),
tries_of_half_1 AS (
    SELECT
        person,
        step_1_at,
        settled,
        step_1_times,
        step_2_times,
        unnest(CASE WHEN settled THEN ARRAY[step_2_at] ELSE step_2_times END) AS try_2_at
    FROM (
        SELECT *, coalesce(step_2_at, step_1_at) <= step_1_at + INTERVAL '604800 seconds' AS settled
        FROM first_attempts_of_half_1
        OFFSET '0'
    ) AS first_attempts
    OFFSET '0'
),
tried_starts_of_half_1 AS (
    SELECT
        *,
        step_1_times[width_bucket(try_2_at - INTERVAL '604800 seconds' - INTERVAL '1 microsecond', step_1_times) + 1] AS start_2
    FROM tries_of_half_1
    OFFSET '0'
),
attempts_of_half_1 AS (
    SELECT
        person,
        ARRAY[TIMESTAMPTZ '2000-01-01 00:00:00+00' - steps_done * INTERVAL '1 second', step_1_at, CASE WHEN steps_done >= 2 THEN step_2_at END] AS attempt
    FROM (
        SELECT *, step_2_times[width_bucket(step_1_at - INTERVAL '1 microsecond', step_2_times) + 1] AS step_2_at
        FROM (
            SELECT
                person,
                CASE WHEN settled THEN 2 WHEN start_2 <= try_2_at THEN 2 ELSE 1 END AS steps_done,
                CASE WHEN settled THEN step_1_at WHEN start_2 <= try_2_at THEN start_2 ELSE step_1_at END AS step_1_at,
                step_2_times
            FROM tried_starts_of_half_1
            OFFSET '0'
        ) AS attempts_to_step_1
        OFFSET '0'
    ) AS whole_attempts
),
persons_with_times_of_half_2 AS (
    SELECT
        user_id AS person,
        min(first) FILTER (WHERE name = CAST($1 AS text)) AS step_1_at,
        merged_times(times) FILTER (WHERE name = CAST($1 AS text)) AS step_1_times,
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
                    AND user_id % 2 >= 1
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
first_attempts_of_half_2 AS (
    SELECT *, step_2_times[width_bucket(step_1_at - INTERVAL '1 microsecond', step_2_times) + 1] AS step_2_at
    FROM (
        SELECT * FROM persons_with_times_of_half_2
        OFFSET '0'
    ) AS attempts_to_step_1
    OFFSET '0'
),
tries_of_half_2 AS (
    SELECT
        person,
        step_1_at,
        settled,
        step_1_times,
        step_2_times,
        unnest(CASE WHEN settled THEN ARRAY[step_2_at] ELSE step_2_times END) AS try_2_at
    FROM (
        SELECT *, coalesce(step_2_at, step_1_at) <= step_1_at + INTERVAL '604800 seconds' AS settled
        FROM first_attempts_of_half_2
        OFFSET '0'
    ) AS first_attempts
    OFFSET '0'
),
tried_starts_of_half_2 AS (
    SELECT
        *,
        step_1_times[width_bucket(try_2_at - INTERVAL '604800 seconds' - INTERVAL '1 microsecond', step_1_times) + 1] AS start_2
    FROM tries_of_half_2
    OFFSET '0'
),
attempts_of_half_2 AS (
    SELECT
        person,
        ARRAY[TIMESTAMPTZ '2000-01-01 00:00:00+00' - steps_done * INTERVAL '1 second', step_1_at, CASE WHEN steps_done >= 2 THEN step_2_at END] AS attempt
    FROM (
        SELECT *, step_2_times[width_bucket(step_1_at - INTERVAL '1 microsecond', step_2_times) + 1] AS step_2_at
        FROM (
            SELECT
                person,
                CASE WHEN settled THEN 2 WHEN start_2 <= try_2_at THEN 2 ELSE 1 END AS steps_done,
                CASE WHEN settled THEN step_1_at WHEN start_2 <= try_2_at THEN start_2 ELSE step_1_at END AS step_1_at,
                step_2_times
            FROM tried_starts_of_half_2
            OFFSET '0'
        ) AS attempts_to_step_1
        OFFSET '0'
    ) AS whole_attempts
),
persons AS (
    SELECT
        person,
        attempt[2] AS step_1_at,
        attempt[3] AS step_2_at
    FROM (
        SELECT person, min(attempt) AS attempt
        FROM attempts_of_half_1
        GROUP BY person
    ) AS best_attempts
    UNION ALL
    SELECT
        person,
        attempt[2] AS step_1_at,
        attempt[3] AS step_2_at
    FROM (
        SELECT person, min(attempt) AS attempt
        FROM attempts_of_half_2
        GROUP BY person
    ) AS best_attempts
),
starts AS (
    SELECT person, min(step_1_at) AS started_at
    FROM persons
    GROUP BY person
),
values_at_start AS (
    SELECT starts.person, min(breakdown_value) AS breakdown_value
    FROM starts
    JOIN (
        SELECT number AS person, user_id AS sent_id FROM user_numbers AS users
    ) AS ids ON ids.person = starts.person
    JOIN (
        SELECT user_id, timestamp, breakdown_value
        FROM (
            SELECT date_bin('86400 seconds', started_at, TIMESTAMPTZ '1970-01-01 00:00:00+00') AS start_of_day, array_agg(DISTINCT started_at) AS starts_of_day
            FROM starts
            GROUP BY start_of_day
        ) AS days
        CROSS JOIN LATERAL (
            SELECT user_id, timestamp, path AS breakdown_value
            FROM events
            WHERE site_id = CAST($3 AS text)
                AND timestamp >= CAST($4 AS timestamptz)
                AND timestamp < CAST($5 AS timestamptz)
                AND user_id IS NOT NULL
                AND (name = CAST($1 AS text))
                AND timestamp >= start_of_day
                AND timestamp < start_of_day + INTERVAL '86400 seconds'
                AND timestamp = ANY (starts_of_day)
            OFFSET '0'
        ) AS events_of_day
    ) AS starting_events ON timestamp = started_at AND user_id = sent_id
    GROUP BY starts.person
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

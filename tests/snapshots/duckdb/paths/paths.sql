WITH codes AS MATERIALIZED (
    SELECT node, CAST(row_number() OVER (ORDER BY node) AS INTEGER) AS code
    FROM (
        SELECT DISTINCT node
        FROM (
            SELECT path AS node
            FROM events
            WHERE site_id = $4
                AND timestamp >= $5
                AND timestamp < $6
                AND name IN ($1, $2, $3)
                AND path IS NOT NULL
        ) AS step_events
        WHERE node IS NOT NULL
    ) AS nodes
),
loose_events AS (
    SELECT
        user_id,
        timestamp,
        rowid,
        name IN ($7, $8, $9) AS is_leave,
        CASE WHEN name IN ($1, $2, $3) AND path IS NOT NULL THEN path END AS node
    FROM events
    WHERE site_id = $4
        AND timestamp >= $5
        AND timestamp < $6
        AND session_id IS NULL
        AND user_id IS NOT NULL
),
events_of_loose_users AS (
    SELECT
        user_id,
        timestamp,
        rowid,
        NULL AS session_id,
        is_leave,
        node
    FROM loose_events
    UNION ALL
    SELECT
        user_id,
        timestamp,
        rowid,
        session_id,
        FALSE,
        NULL
    FROM events
    WHERE site_id = $4
        AND timestamp >= $5
        AND timestamp < $6
        AND session_id IS NOT NULL
        AND (user_id) IN (SELECT user_id FROM loose_events)
),
starts_of_stretches AS NOT MATERIALIZED (
    SELECT
        *,
        count(session_id) OVER (events_of_user ROWS UNBOUNDED PRECEDING) AS place,
        CASE
            WHEN timestamp <= lag(timestamp) OVER events_of_user
                + CASE WHEN is_leave THEN INTERVAL '1440 minutes' ELSE INTERVAL '30 minutes' END
            THEN 0
            ELSE 1
        END AS starts_visit
    FROM events_of_loose_users
    WINDOW events_of_user AS (PARTITION BY user_id ORDER BY timestamp, rowid)
),
stretches AS MATERIALIZED (
    SELECT
        *,
        sum(starts_visit) OVER (PARTITION BY user_id ORDER BY timestamp, rowid ROWS UNBOUNDED PRECEDING) AS visit
    FROM starts_of_stretches
),
session_places AS NOT MATERIALIZED (
    SELECT user_id, place, visit, session_id
    FROM stretches
    WHERE session_id IS NOT NULL
),
attributed_events AS MATERIALIZED (
    SELECT
        stretches.user_id,
        stretches.timestamp,
        stretches.rowid,
        stretches.visit,
        stretches.node,
        CASE
            WHEN earlier.visit = stretches.visit THEN earlier.session_id
            WHEN later.visit = stretches.visit THEN later.session_id
            WHEN earlier.session_id = later.session_id THEN earlier.session_id
        END AS session_id
    FROM stretches
    LEFT JOIN session_places AS earlier ON earlier.user_id = stretches.user_id AND earlier.place = stretches.place
    LEFT JOIN session_places AS later ON later.user_id = stretches.user_id AND later.place = stretches.place + 1
    WHERE stretches.session_id IS NULL
),
events_of_sessions AS NOT MATERIALIZED (
    SELECT
        session_id,
        timestamp,
        rowid,
        path AS node
    FROM events
    WHERE site_id = $4
        AND timestamp >= $5
        AND timestamp < $6
        AND session_id IS NOT NULL
        AND name IN ($1, $2, $3)
        AND path IS NOT NULL
    UNION ALL
    SELECT
        session_id,
        timestamp,
        rowid,
        node
    FROM attributed_events
    WHERE session_id IS NOT NULL
),
events_of_visits AS NOT MATERIALIZED (
    SELECT
        user_id,
        visit,
        timestamp,
        rowid,
        node
    FROM attributed_events
    WHERE session_id IS NULL
),
session_steps AS (
    SELECT hash(session_id, 0) AS session_key, timestamp, rowid, code
    FROM events_of_sessions
    JOIN codes USING (node)
    WHERE node IS NOT NULL
    UNION ALL
    SELECT hash(user_id, visit) AS session_key, timestamp, rowid, code
    FROM events_of_visits
    JOIN codes USING (node)
    WHERE node IS NOT NULL
),
numbered_steps AS MATERIALIZED (
    SELECT
        session_key,
        code,
        lag(code, 1, 0) OVER steps_of_session AS previous_code,
        CAST(row_number() OVER steps_of_session AS INTEGER) AS position
    FROM session_steps
    WINDOW steps_of_session AS (PARTITION BY session_key ORDER BY timestamp, rowid)
),
sessions_with_repetitions AS MATERIALIZED (
    SELECT DISTINCT session_key
    FROM numbered_steps
    WHERE previous_code = code
),
steps AS (
    SELECT session_key, code, previous_code, position
    FROM numbered_steps
    WHERE session_key NOT IN (SELECT session_key FROM sessions_with_repetitions)
    UNION ALL
    SELECT session_key, code, previous_code, merged_position
    FROM (
        SELECT
            session_key,
            code,
            previous_code,
            CAST(
                sum(CASE WHEN previous_code = code THEN 0 ELSE 1 END) OVER steps_so_far AS INTEGER
            ) AS merged_position
        FROM numbered_steps
        WHERE session_key IN (SELECT session_key FROM sessions_with_repetitions)
        WINDOW steps_so_far AS (PARTITION BY session_key ORDER BY position ROWS UNBOUNDED PRECEDING)
    ) AS renumbered_steps
    WHERE previous_code <> code
),
step_counts AS MATERIALIZED (
    SELECT position AS step, previous_code, code, count(*) AS sessions
    FROM steps
    WHERE position BETWEEN 1 AND 5
    GROUP BY position, previous_code, code
),
edges AS (
    SELECT step - 1 AS step, previous_code AS source, code AS target, sessions
    FROM step_counts
    WHERE step > 1
    UNION ALL
    SELECT step, code, NULL, CAST(sum(sessions) AS BIGINT)
    FROM (
        SELECT step, code, CASE WHEN step < 5 THEN sessions ELSE 0 END AS sessions
        FROM step_counts
        UNION ALL
        SELECT step - 1, previous_code, CASE WHEN step > 1 THEN -sessions ELSE 0 END
        FROM step_counts
    ) AS taken_less_continued
    GROUP BY step, code
    HAVING sum(sessions) > 0
),
ranked_edges AS (
    SELECT
        *,
        row_number() OVER (
            PARTITION BY step ORDER BY sessions DESC, source NULLS LAST, target NULLS LAST
        ) AS rank
    FROM edges
),
kept_edges AS (
    SELECT
        step,
        CASE WHEN rank <= 20 THEN source END AS kept_source,
        CASE WHEN rank <= 20 THEN target END AS kept_target,
        CAST(sum(sessions) AS BIGINT) AS sessions,
        rank > 20 AS other
    FROM ranked_edges
    GROUP BY step, kept_source, kept_target, other
)
SELECT step, sources.node, targets.node, sessions, other
FROM kept_edges
LEFT JOIN codes AS sources ON sources.code = kept_source
LEFT JOIN codes AS targets ON targets.code = kept_target
ORDER BY step, other, sessions DESC, kept_source NULLS LAST, kept_target NULLS LAST

-- $1: 'page_view'
-- $2: '$pageview'
-- $3: 'pageview'
-- $4: 'default'
-- $5: datetime.datetime(2025, 5, 1, 0, 0)
-- $6: datetime.datetime(2025, 6, 1, 0, 0)
-- $7: 'page_leave'
-- $8: '$pageleave'
-- $9: 'pageleave'

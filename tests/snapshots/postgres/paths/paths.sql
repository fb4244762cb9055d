WITH codes AS MATERIALIZED (
    SELECT node, CAST(row_number() OVER (ORDER BY node) AS INTEGER) AS code
    FROM (
        SELECT DISTINCT node
        FROM (
            SELECT path AS node
            FROM events
            WHERE site_id = CAST($4 AS text)
                AND timestamp >= CAST($5 AS timestamptz)
                AND timestamp < CAST($6 AS timestamptz)
                AND name IN (CAST($1 AS text), CAST($2 AS text), CAST($3 AS text))
                AND path IS NOT NULL
        ) AS step_events
        WHERE node IS NOT NULL
    ) AS nodes
),
loose_events AS (
    SELECT
        user_id,
        timestamp,
        received_at,
        ctid,
        name IN (CAST($7 AS text), CAST($8 AS text), CAST($9 AS text)) AS is_leave,
        CASE WHEN name IN (CAST($1 AS text), CAST($2 AS text), CAST($3 AS text)) AND path IS NOT NULL THEN path END AS node
    FROM events
    WHERE site_id = CAST($4 AS text)
        AND timestamp >= CAST($5 AS timestamptz)
        AND timestamp < CAST($6 AS timestamptz)
        AND session_id IS NULL
        AND user_id IS NOT NULL
),
events_of_loose_users AS (
    SELECT
        user_id,
        timestamp,
        received_at,
        ctid,
        NULL AS session_id,
        is_leave,
        node
    FROM loose_events
    UNION ALL
    SELECT
        user_id,
        timestamp,
        received_at,
        ctid,
        session_id,
        FALSE,
        NULL
    FROM events
    WHERE site_id = CAST($4 AS text)
        AND timestamp >= CAST($5 AS timestamptz)
        AND timestamp < CAST($6 AS timestamptz)
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
    WINDOW events_of_user AS (PARTITION BY user_id ORDER BY timestamp, received_at, ctid)
),
stretches AS MATERIALIZED (
    SELECT
        *,
        sum(starts_visit) OVER (PARTITION BY user_id ORDER BY timestamp, received_at, ctid ROWS UNBOUNDED PRECEDING) AS visit
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
        stretches.received_at,
        stretches.ctid,
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
        received_at,
        ctid,
        path AS node
    FROM events
    WHERE site_id = CAST($4 AS text)
        AND timestamp >= CAST($5 AS timestamptz)
        AND timestamp < CAST($6 AS timestamptz)
        AND session_id IS NOT NULL
        AND name IN (CAST($1 AS text), CAST($2 AS text), CAST($3 AS text))
        AND path IS NOT NULL
    UNION ALL
    SELECT
        session_id,
        timestamp,
        received_at,
        ctid,
        node
    FROM attributed_events
    WHERE session_id IS NOT NULL
),
events_of_visits AS NOT MATERIALIZED (
    SELECT
        user_id,
        visit,
        timestamp,
        received_at,
        ctid,
        node
    FROM attributed_events
    WHERE session_id IS NULL
),
session_steps AS (
    SELECT session_id AS visitor, CAST(0 AS BIGINT) AS visit, timestamp, received_at, ctid, code
    FROM events_of_sessions
    JOIN codes USING (node)
    WHERE node IS NOT NULL
    UNION ALL
    SELECT user_id AS visitor, CAST(visit AS BIGINT) AS visit, timestamp, received_at, ctid, code
    FROM events_of_visits
    JOIN codes USING (node)
    WHERE node IS NOT NULL
),
numbered_steps AS (
    SELECT
        visitor, visit,
        timestamp,
        received_at,
        ctid,
        code,
        lag(code, 1, 0) OVER steps_of_session AS previous_code,
        CAST(row_number() OVER steps_of_session AS INTEGER) AS position
    FROM session_steps
    WINDOW steps_of_session AS (PARTITION BY visitor, visit ORDER BY timestamp, received_at, ctid)
),
steps AS (
    SELECT
        visitor, visit,
        code,
        previous_code,
        CAST(row_number() OVER steps_of_session AS INTEGER) AS position
    FROM numbered_steps
    WHERE previous_code <> code
    WINDOW steps_of_session AS (PARTITION BY visitor, visit ORDER BY timestamp, received_at, ctid)
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
-- $5: datetime.datetime(2025, 5, 1, 0, 0, tzinfo=datetime.timezone.utc)
-- $6: datetime.datetime(2025, 6, 1, 0, 0, tzinfo=datetime.timezone.utc)
-- $7: 'page_leave'
-- $8: '$pageleave'
-- $9: 'pageleave'

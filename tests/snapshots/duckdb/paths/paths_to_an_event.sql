WITH codes AS MATERIALIZED (
    SELECT node, CAST(row_number() OVER (ORDER BY node) AS INTEGER) AS code
    FROM (
        SELECT DISTINCT node
        FROM (
            SELECT name AS node, source = $1 AS matches
            FROM events
        ) AS step_events
        WHERE node IS NOT NULL
            AND matches
    ) AS nodes
),
loose_events AS (
    SELECT
        site_id,
        user_id,
        timestamp,
        rowid,
        name IN ($3, $4, $5) AS is_leave,
        name AS node,
        source = $1 AS matches
    FROM events
    WHERE session_id IS NULL
        AND user_id IS NOT NULL
),
events_of_loose_users AS (
    SELECT
        site_id,
        user_id,
        timestamp,
        rowid,
        NULL AS session_id,
        is_leave,
        node,
        matches
    FROM loose_events
    UNION ALL
    SELECT
        site_id,
        user_id,
        timestamp,
        rowid,
        session_id,
        FALSE,
        NULL,
        NULL
    FROM events
    WHERE session_id IS NOT NULL
        AND (site_id, user_id) IN (SELECT site_id, user_id FROM loose_events)
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
    WINDOW events_of_user AS (PARTITION BY site_id, user_id ORDER BY timestamp, rowid)
),
stretches AS MATERIALIZED (
    SELECT
        *,
        sum(starts_visit) OVER (PARTITION BY site_id, user_id ORDER BY timestamp, rowid ROWS UNBOUNDED PRECEDING) AS visit
    FROM starts_of_stretches
),
session_places AS NOT MATERIALIZED (
    SELECT site_id, user_id, place, visit, session_id
    FROM stretches
    WHERE session_id IS NOT NULL
),
attributed_events AS MATERIALIZED (
    SELECT
        stretches.site_id,
        stretches.user_id,
        stretches.timestamp,
        stretches.rowid,
        stretches.visit,
        stretches.node,
        stretches.matches,
        CASE
            WHEN earlier.visit = stretches.visit THEN earlier.session_id
            WHEN later.visit = stretches.visit THEN later.session_id
            WHEN earlier.session_id = later.session_id THEN earlier.session_id
        END AS session_id
    FROM stretches
    LEFT JOIN session_places AS earlier ON earlier.site_id = stretches.site_id AND earlier.user_id = stretches.user_id AND earlier.place = stretches.place
    LEFT JOIN session_places AS later ON later.site_id = stretches.site_id AND later.user_id = stretches.user_id AND later.place = stretches.place + 1
    WHERE stretches.session_id IS NULL
),
events_of_sessions AS NOT MATERIALIZED (
    SELECT
        site_id,
        session_id,
        timestamp,
        rowid,
        name AS node,
        source = $1 AS matches
    FROM events
    WHERE session_id IS NOT NULL
    UNION ALL
    SELECT
        site_id,
        session_id,
        timestamp,
        rowid,
        node,
        matches
    FROM attributed_events
    WHERE session_id IS NOT NULL
),
events_of_visits AS NOT MATERIALIZED (
    SELECT
        site_id,
        user_id,
        visit,
        timestamp,
        rowid,
        node,
        matches
    FROM attributed_events
    WHERE session_id IS NULL
),
session_steps AS (
    SELECT hash(site_id, session_id, 0) AS session_key, timestamp, rowid, code
    FROM events_of_sessions
    JOIN codes USING (node)
    WHERE node IS NOT NULL
        AND matches
        AND (site_id, session_id) IN (
            SELECT site_id, session_id
            FROM events_of_sessions
            WHERE node IS NOT NULL
                AND matches
                AND node = $2
        )
    UNION ALL
    SELECT hash(site_id, user_id, visit) AS session_key, timestamp, rowid, code
    FROM events_of_visits
    JOIN codes USING (node)
    WHERE node IS NOT NULL
        AND matches
),
steps AS (
    SELECT
        session_key,
        timestamp,
        rowid,
        code,
        lag(code, 1, 0) OVER steps_of_session AS previous_code,
        CAST(row_number() OVER steps_of_session AS INTEGER) AS position
    FROM session_steps
    WINDOW steps_of_session AS (PARTITION BY session_key ORDER BY timestamp, rowid)
),
step_counts AS MATERIALIZED (
    SELECT anchor_position - position + 1 AS step, previous_code, code, count(*) AS sessions
    FROM (
        SELECT
            position,
            code,
            previous_code,
            min(
                CASE WHEN code = (SELECT code FROM codes WHERE node = $2) THEN position END
            ) OVER (PARTITION BY session_key) AS anchor_position
        FROM steps
    ) AS anchored_steps
    WHERE anchor_position - position + 1 BETWEEN 1 AND 4
    GROUP BY anchor_position - position + 1, previous_code, code
),
edges AS (
    SELECT step, nullif(previous_code, 0) AS source, code AS target, sessions
    FROM step_counts
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

-- $1: 'web'
-- $2: 'buy'
-- $3: 'page_leave'
-- $4: '$pageleave'
-- $5: 'pageleave'

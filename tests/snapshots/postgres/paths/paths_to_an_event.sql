WITH codes AS MATERIALIZED (
    SELECT node, CAST(row_number() OVER (ORDER BY node) AS INTEGER) AS code
    FROM (
        SELECT DISTINCT node
        FROM (
            SELECT name AS node, source = CAST($1 AS text) AS matches
            FROM events
        ) AS step_events
        WHERE node IS NOT NULL
            AND matches
    ) AS nodes
),
events_with_session_id AS NOT MATERIALIZED (
    SELECT
        site_id,
        session_id,
        timestamp,
        name AS node,
        source = CAST($1 AS text) AS matches
    FROM events
    WHERE session_id IS NOT NULL
),
events_without_session_id AS NOT MATERIALIZED (
    SELECT
        site_id,
        user_id,
        timestamp,
        name AS node,
        source = CAST($1 AS text) AS matches,
        CASE
            WHEN timestamp <= lag(timestamp) OVER events_of_user + INTERVAL '30 minutes' THEN 0
            ELSE 1
        END AS starts_visit
    FROM events
    WHERE session_id IS NULL
        AND user_id IS NOT NULL
    WINDOW events_of_user AS (PARTITION BY site_id, user_id ORDER BY timestamp)
),
events_of_visits AS NOT MATERIALIZED (
    SELECT *, sum(starts_visit) OVER (PARTITION BY site_id, user_id ORDER BY timestamp) AS visit
    FROM events_without_session_id
),
session_steps AS (
    SELECT site_id, session_id AS visitor, CAST(0 AS BIGINT) AS visit, timestamp, code
    FROM events_with_session_id
    JOIN codes USING (node)
    WHERE node IS NOT NULL
        AND matches
        AND (site_id, session_id) IN (
            SELECT site_id, session_id
            FROM events_with_session_id
            WHERE node IS NOT NULL
                AND matches
                AND node = CAST($2 AS text)
        )
    UNION ALL
    SELECT site_id, user_id AS visitor, visit, timestamp, code
    FROM events_of_visits
    JOIN codes USING (node)
    WHERE node IS NOT NULL
        AND matches
),
steps AS (
    SELECT
        site_id, visitor, visit,
        timestamp,
        code,
        lag(code, 1, 0) OVER steps_of_session AS previous_code,
        CAST(row_number() OVER steps_of_session AS INTEGER) AS position
    FROM session_steps
    WINDOW steps_of_session AS (PARTITION BY site_id, visitor, visit ORDER BY timestamp, code)
),
step_counts AS MATERIALIZED (
    SELECT anchor_position - position + 1 AS step, previous_code, code, count(*) AS sessions
    FROM (
        SELECT
            position,
            code,
            previous_code,
            min(
                CASE WHEN code = (SELECT code FROM codes WHERE node = CAST($2 AS text)) THEN position END
            ) OVER (PARTITION BY site_id, visitor, visit) AS anchor_position
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

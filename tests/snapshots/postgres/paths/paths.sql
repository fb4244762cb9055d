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
events_with_session_id AS NOT MATERIALIZED (
    SELECT
        session_id,
        timestamp,
        path AS node
    FROM events
    WHERE site_id = CAST($4 AS text)
        AND timestamp >= CAST($5 AS timestamptz)
        AND timestamp < CAST($6 AS timestamptz)
        AND session_id IS NOT NULL
        AND name IN (CAST($1 AS text), CAST($2 AS text), CAST($3 AS text))
        AND path IS NOT NULL
),
events_without_session_id AS NOT MATERIALIZED (
    SELECT
        user_id,
        timestamp,
        CASE WHEN name IN (CAST($1 AS text), CAST($2 AS text), CAST($3 AS text)) AND path IS NOT NULL THEN path END AS node,
        CASE
            WHEN timestamp <= lag(timestamp) OVER events_of_user + INTERVAL '30 minutes' THEN 0
            ELSE 1
        END AS starts_visit
    FROM events
    WHERE site_id = CAST($4 AS text)
        AND timestamp >= CAST($5 AS timestamptz)
        AND timestamp < CAST($6 AS timestamptz)
        AND session_id IS NULL
        AND user_id IS NOT NULL
    WINDOW events_of_user AS (PARTITION BY user_id ORDER BY timestamp)
),
events_of_visits AS NOT MATERIALIZED (
    SELECT *, sum(starts_visit) OVER (PARTITION BY user_id ORDER BY timestamp) AS visit
    FROM events_without_session_id
),
session_steps AS (
    SELECT session_id AS visitor, CAST(0 AS BIGINT) AS visit, timestamp, code
    FROM events_with_session_id
    JOIN codes USING (node)
    WHERE node IS NOT NULL
    UNION ALL
    SELECT user_id AS visitor, visit, timestamp, code
    FROM events_of_visits
    JOIN codes USING (node)
    WHERE node IS NOT NULL
),
numbered_steps AS (
    SELECT
        visitor, visit,
        timestamp,
        code,
        lag(code, 1, 0) OVER steps_of_session AS previous_code,
        CAST(row_number() OVER steps_of_session AS INTEGER) AS position
    FROM session_steps
    WINDOW steps_of_session AS (PARTITION BY visitor, visit ORDER BY timestamp, code)
),
steps AS (
    SELECT
        visitor, visit,
        code,
        previous_code,
        CAST(row_number() OVER steps_of_session AS INTEGER) AS position
    FROM numbered_steps
    WHERE previous_code <> code
    WINDOW steps_of_session AS (PARTITION BY visitor, visit ORDER BY timestamp, code)
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

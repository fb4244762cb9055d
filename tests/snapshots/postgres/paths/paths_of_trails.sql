WITH loose_events AS (
    SELECT
        user_id,
        timestamp,
        received_at,
        ctid,
        name IN (CAST($4 AS text), CAST($5 AS text), CAST($6 AS text)) AS is_leave,
        CASE WHEN name IN (CAST($1 AS text), CAST($2 AS text), CAST($3 AS text)) AND path IS NOT NULL THEN path END AS node
    FROM events
    WHERE site_id = CAST($7 AS text)
        AND timestamp >= CAST($8 AS timestamptz)
        AND timestamp < CAST($9 AS timestamptz)
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
    WHERE site_id = CAST($7 AS text)
        AND timestamp >= CAST($8 AS timestamptz)
        AND timestamp < CAST($9 AS timestamptz)
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
indexed_sessions AS NOT MATERIALIZED (
    SELECT
        rows.site_id,
        rows.session_id,
        rows.started,
        rows.ended,
        rows.duration,
        rows.events,
        rows.pages,
        rows.leaves,
        rows.trail
    FROM session_index AS rows
),
indexed_paths AS NOT MATERIALIZED (
    SELECT path_id, path FROM session_paths
),
joined_sessions AS MATERIALIZED (
    SELECT DISTINCT session_id
    FROM attributed_events
    WHERE session_id IS NOT NULL
),
long_sessions AS MATERIALIZED (
    SELECT session_id FROM joined_sessions
    UNION ALL
    SELECT session_id
    FROM indexed_sessions
    WHERE site_id = CAST($7 AS text)
        AND ended >= CAST($8 AS timestamptz)
        AND started < CAST($9 AS timestamptz)
        AND NOT (trail IS NOT NULL AND started >= CAST($8 AS timestamptz) AND ended < CAST($9 AS timestamptz))
),
trail_step_counts AS MATERIALIZED (
    SELECT step, previous_paths.path AS previous_node, paths.path AS node, sessions
    FROM (
        SELECT
            CASE not_grouped_by WHEN 15 THEN 1 WHEN 39 THEN 2 WHEN 51 THEN 3 WHEN 57 THEN 4 WHEN 60 THEN 5 END AS step,
            CASE not_grouped_by WHEN 15 THEN page_0 WHEN 39 THEN page_1 WHEN 51 THEN page_2 WHEN 57 THEN page_3 WHEN 60 THEN page_4 END AS previous_id,
            CASE not_grouped_by WHEN 15 THEN page_1 WHEN 39 THEN page_2 WHEN 51 THEN page_3 WHEN 57 THEN page_4 WHEN 60 THEN page_5 END AS path_id,
            sessions
        FROM (
            SELECT page_0, page_1, page_2, page_3, page_4, page_5, GROUPING(page_0, page_1, page_2, page_3, page_4, page_5) AS not_grouped_by, count(*) AS sessions
            FROM (
                SELECT
                    trail[anchored + -1] AS page_0,
                    trail[anchored + 0] AS page_1,
                    trail[anchored + 1] AS page_2,
                    trail[anchored + 2] AS page_3,
                    trail[anchored + 3] AS page_4,
                    trail[anchored + 4] AS page_5
                FROM (
                    SELECT trail, 1 AS anchored
                    FROM (SELECT * FROM indexed_sessions WHERE (session_id) NOT IN (SELECT session_id FROM joined_sessions)) AS indexed_sessions
                    WHERE site_id = CAST($7 AS text)
                        AND trail IS NOT NULL
                        AND started >= CAST($8 AS timestamptz)
                        AND ended < CAST($9 AS timestamptz)
                    OFFSET '0'
                ) AS trails
                OFFSET '0'
            ) AS pages_of_trails
            GROUP BY GROUPING SETS ((page_0, page_1), (page_1, page_2), (page_2, page_3), (page_3, page_4), (page_4, page_5))
        ) AS grouped_steps
    ) AS counted_steps
    JOIN indexed_paths AS paths USING (path_id)
    LEFT JOIN indexed_paths AS previous_paths ON previous_paths.path_id = previous_id
),
events_of_sessions AS NOT MATERIALIZED (
    SELECT
        session_id,
        timestamp,
        received_at,
        ctid,
        path AS node
    FROM events
    WHERE site_id = CAST($7 AS text)
        AND timestamp >= CAST($8 AS timestamptz)
        AND timestamp < CAST($9 AS timestamptz)
        AND session_id IS NOT NULL
        AND EXISTS (SELECT FROM long_sessions)
        AND (session_id) IN (SELECT session_id FROM long_sessions)
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
steps_without_trail AS MATERIALIZED (
    SELECT session_id AS visitor, CAST(0 AS BIGINT) AS visit, timestamp, received_at, ctid, node
    FROM events_of_sessions
    WHERE node IS NOT NULL
    UNION ALL
    SELECT user_id AS visitor, CAST(visit AS BIGINT) AS visit, timestamp, received_at, ctid, node
    FROM events_of_visits
    WHERE node IS NOT NULL
),
codes AS MATERIALIZED (
    SELECT node, CAST(row_number() OVER (ORDER BY node) AS INTEGER) AS code
    FROM (
        SELECT node FROM trail_step_counts
        UNION
        SELECT previous_node FROM trail_step_counts WHERE previous_node IS NOT NULL
        UNION
        SELECT node FROM steps_without_trail
    ) AS nodes
),
session_steps AS (
    SELECT visitor, visit, timestamp, received_at, ctid, code
    FROM steps_without_trail JOIN codes USING (node)
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
event_step_counts AS MATERIALIZED (
    SELECT position AS step, previous_code, code, count(*) AS sessions
    FROM steps
    WHERE position BETWEEN 1 AND 5
    GROUP BY position, previous_code, code
),
step_counts AS MATERIALIZED (
    SELECT step, previous_code, code, CAST(sum(sessions) AS BIGINT) AS sessions
    FROM (
        SELECT step, previous_code, code, sessions
        FROM event_step_counts
        UNION ALL
        SELECT step, coalesce(previous_codes.code, 0), codes.code, sessions
        FROM trail_step_counts
        JOIN codes ON codes.node = trail_step_counts.node
        LEFT JOIN codes AS previous_codes ON previous_codes.node = trail_step_counts.previous_node
    ) AS both_counts
    GROUP BY step, previous_code, code
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
-- $4: 'page_leave'
-- $5: '$pageleave'
-- $6: 'pageleave'
-- $7: 'default'
-- $8: datetime.datetime(2025, 5, 1, 0, 0, tzinfo=datetime.timezone.utc)
-- $9: datetime.datetime(2025, 6, 1, 0, 0, tzinfo=datetime.timezone.utc)

WITH loose_events AS (
    SELECT
        site_id,
        user_id,
        timestamp,
        rowid,
        name IN ($4, $5, $6) AS is_leave,
        CASE WHEN name IN ($1, $2, $3) AND path IS NOT NULL THEN path END AS node
    FROM events
    WHERE timestamp < $7
        AND session_id IS NULL
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
        node
    FROM loose_events
    UNION ALL
    SELECT
        site_id,
        user_id,
        timestamp,
        rowid,
        session_id,
        FALSE,
        NULL
    FROM events
    WHERE timestamp < $7
        AND session_id IS NOT NULL
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
new_sessions AS MATERIALIZED (
    SELECT site_id, session_id, started, ended, events, pages, leaves, CASE WHEN pages <= 1000 AND len(list_filter(coalesce(steps, CAST([] AS VARCHAR[])), lambda step, position: position = 1 OR step <> (coalesce(steps, CAST([] AS VARCHAR[])))[position - 1])) <= 32 THEN list_filter(coalesce(steps, CAST([] AS VARCHAR[])), lambda step, position: position = 1 OR step <> (coalesce(steps, CAST([] AS VARCHAR[])))[position - 1]) END AS trail
    FROM (
        SELECT *
        FROM (
            SELECT
                site_id,
                session_id,
                min(timestamp) AS started,
                max(timestamp) AS ended,
                count(*) AS events,
                count(*) FILTER (page = 1) AS pages,
                count(*) FILTER (name IN ('page_leave', '$pageleave', 'pageleave')) AS leaves,
                list(path ORDER BY timestamp, rowid) FILTER (page = 1 AND path IS NOT NULL) AS steps,
            FROM (
                SELECT *, rowid, CASE WHEN name IN ('page_view', '$pageview', 'pageview') THEN 1 ELSE 0 END AS page
                FROM events
                WHERE session_id IS NOT NULL AND rowid >= 1000
            ) AS visited
            GROUP BY site_id, session_id
        ) AS packed
    ) AS sessions
    LIMIT 7
),
touched AS MATERIALIZED (
    SELECT rowid AS part, site_id, session_id, started, ended, events, pages, leaves, trail
    FROM session_parts SEMI JOIN new_sessions USING (site_id, session_id)
    WHERE rowid IN (SELECT rowid FROM session_parts WHERE session_hash IN (SELECT CAST(hash(site_id, session_id) >> 32 AS UINTEGER) FROM new_sessions))
),
indexed_sessions AS NOT MATERIALIZED (
    SELECT site_id, session_id, started, ended, events, pages, leaves, trail
    FROM session_parts ANTI JOIN touched ON touched.part = session_parts.rowid
    UNION ALL
    SELECT site_id, session_id, started, ended, events, pages, leaves, CASE WHEN is_new THEN new_trail ELSE CASE WHEN pages <= 1000 AND len(list_filter(steps, lambda step, position: position = 1 OR step <> (steps)[position - 1])) <= 32 THEN list_filter(steps, lambda step, position: position = 1 OR step <> (steps)[position - 1]) END END AS trail
    FROM (
        SELECT *
        FROM (
            SELECT
                site_id,
                session_id,
                least(new.started, old.started) AS started,
                greatest(new.ended, old.ended) AS ended,
                new.events + coalesce(old.events, 0) AS events,
                new.pages + coalesce(old.pages, 0) AS pages,
                new.leaves + coalesce(old.leaves, 0) AS leaves,
                old.part IS NULL AS is_new,
                new.trail AS new_trail,
                CASE
                    WHEN new.started >= old.ended THEN old.trail || new.trail
                    WHEN old.started > new.ended THEN new.trail || old.trail
                END AS steps,
            FROM new_sessions AS new
            LEFT JOIN touched AS old USING (site_id, session_id)
        ) AS packed
    ) AS continued
),
joined_sessions AS MATERIALIZED (
    SELECT DISTINCT site_id, session_id
    FROM attributed_events
    WHERE session_id IS NOT NULL
),
long_sessions AS MATERIALIZED (
    SELECT site_id, session_id FROM joined_sessions
    UNION ALL
    SELECT site_id, session_id
    FROM indexed_sessions
    WHERE started < $7
        AND NOT (trail IS NOT NULL AND ended < $7 AND len(trail) = pages)
),
trail_step_counts AS MATERIALIZED (
    SELECT
        step,
        CASE WHEN position > 1 THEN trail[position - 1] END AS previous_node,
        trail[position] AS node,
        count(*) AS sessions
    FROM (
        SELECT trail, step, anchor_position - step + 1 AS position
        FROM (
            SELECT trail, list_position(trail, $8) AS anchor_position, unnest([1, 2, 3, 4]) AS step
            FROM indexed_sessions ANTI JOIN joined_sessions USING (site_id, session_id)
            WHERE trail IS NOT NULL
                AND ended < $7
                AND len(trail) = pages
                AND list_contains(trail, $8)
        ) AS trails
    ) AS trail_steps
    WHERE position BETWEEN 1 AND len(trail)
    GROUP BY ALL
),
events_of_sessions AS NOT MATERIALIZED (
    SELECT
        site_id,
        session_id,
        timestamp,
        rowid,
        path AS node
    FROM events
    WHERE timestamp < $7
        AND session_id IS NOT NULL
        AND (site_id, session_id) IN (SELECT site_id, session_id FROM long_sessions)
        AND name IN ($1, $2, $3)
        AND path IS NOT NULL
    UNION ALL
    SELECT
        site_id,
        session_id,
        timestamp,
        rowid,
        node
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
        node
    FROM attributed_events
    WHERE session_id IS NULL
),
steps_without_trail AS MATERIALIZED (
    SELECT hash(site_id, session_id, 0) AS session_key, timestamp, rowid, node
    FROM events_of_sessions
    WHERE node IS NOT NULL
        AND (site_id, session_id) IN (
            SELECT site_id, session_id
            FROM events_of_sessions
            WHERE node IS NOT NULL
                AND node = $8
        )
    UNION ALL
    SELECT hash(site_id, user_id, visit) AS session_key, timestamp, rowid, node
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
    SELECT session_key, timestamp, rowid, code
    FROM steps_without_trail JOIN codes USING (node)
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
event_step_counts AS MATERIALIZED (
    SELECT anchor_position - position + 1 AS step, previous_code, code, count(*) AS sessions
    FROM (
        SELECT
            position,
            code,
            previous_code,
            min(
                CASE WHEN code = (SELECT code FROM codes WHERE node = $8) THEN position END
            ) OVER (PARTITION BY session_key) AS anchor_position
        FROM steps
    ) AS anchored_steps
    WHERE anchor_position - position + 1 BETWEEN 1 AND 4
    GROUP BY anchor_position - position + 1, previous_code, code
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

-- $1: 'page_view'
-- $2: '$pageview'
-- $3: 'pageview'
-- $4: 'page_leave'
-- $5: '$pageleave'
-- $6: 'pageleave'
-- $7: datetime.datetime(2025, 6, 1, 0, 0)
-- $8: '/buy'

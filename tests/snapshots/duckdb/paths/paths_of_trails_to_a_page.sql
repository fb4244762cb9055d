WITH new_sessions AS MATERIALIZED (
    SELECT site_id, session_id, started, ended, events, pages, CASE WHEN pages <= 1000 AND len(list_filter(coalesce(steps, CAST([] AS VARCHAR[])), lambda step, position: position = 1 OR step <> (coalesce(steps, CAST([] AS VARCHAR[])))[position - 1])) <= 32 THEN list_filter(coalesce(steps, CAST([] AS VARCHAR[])), lambda step, position: position = 1 OR step <> (coalesce(steps, CAST([] AS VARCHAR[])))[position - 1]) END AS trail
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
                list(path ORDER BY timestamp, path) FILTER (page = 1 AND path IS NOT NULL) AS steps,
            FROM (
                SELECT *, CASE WHEN name IN ('page_view', '$pageview', 'pageview') THEN 1 ELSE 0 END AS page
                FROM events
                WHERE session_id IS NOT NULL AND rowid >= 1000
            ) AS visited
            GROUP BY site_id, session_id
        ) AS packed
    ) AS sessions
    LIMIT 7
),
touched AS MATERIALIZED (
    SELECT rowid AS part, site_id, session_id, started, ended, events, pages, trail
    FROM session_parts SEMI JOIN new_sessions USING (site_id, session_id)
    WHERE rowid IN (SELECT rowid FROM session_parts WHERE session_hash IN (SELECT CAST(hash(site_id, session_id) >> 32 AS UINTEGER) FROM new_sessions))
),
indexed_sessions AS NOT MATERIALIZED (
    SELECT site_id, session_id, started, ended, events, pages, trail
    FROM session_parts ANTI JOIN touched ON touched.part = session_parts.rowid
    UNION ALL
    SELECT site_id, session_id, started, ended, events, pages, CASE WHEN is_new THEN new_trail ELSE CASE WHEN pages <= 1000 AND len(list_filter(steps, lambda step, position: position = 1 OR step <> (steps)[position - 1])) <= 32 THEN list_filter(steps, lambda step, position: position = 1 OR step <> (steps)[position - 1]) END END AS trail
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
                old.part IS NULL AS is_new,
                new.trail AS new_trail,
                CASE
                    WHEN new.started > old.ended THEN old.trail || new.trail
                    WHEN old.started > new.ended THEN new.trail || old.trail
                END AS steps,
            FROM new_sessions AS new
            LEFT JOIN touched AS old USING (site_id, session_id)
        ) AS packed
    ) AS continued
),
long_sessions AS MATERIALIZED (
    SELECT site_id, session_id
    FROM indexed_sessions
    WHERE started < $1
        AND NOT (trail IS NOT NULL AND ended < $1 AND len(trail) = pages)
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
            SELECT trail, list_position(trail, $2) AS anchor_position, unnest([1, 2, 3, 4]) AS step
            FROM indexed_sessions
            WHERE trail IS NOT NULL
                AND ended < $1
                AND len(trail) = pages
                AND list_contains(trail, $2)
        ) AS trails
    ) AS trail_steps
    WHERE position BETWEEN 1 AND len(trail)
    GROUP BY ALL
),
events_with_session_id AS NOT MATERIALIZED (
    SELECT
        site_id,
        session_id,
        timestamp,
        path AS node
    FROM events
    WHERE timestamp < $1
        AND session_id IS NOT NULL
        AND (site_id, session_id) IN (SELECT site_id, session_id FROM long_sessions)
        AND name IN ($3, $4, $5)
        AND path IS NOT NULL
),
events_without_session_id AS NOT MATERIALIZED (
    SELECT
        site_id,
        user_id,
        timestamp,
        CASE WHEN name IN ($3, $4, $5) AND path IS NOT NULL THEN path END AS node,
        CASE
            WHEN timestamp <= lag(timestamp) OVER events_of_user + INTERVAL '30 minutes' THEN 0
            ELSE 1
        END AS starts_visit
    FROM events
    WHERE timestamp < $1
        AND session_id IS NULL
        AND user_id IS NOT NULL
    WINDOW events_of_user AS (PARTITION BY site_id, user_id ORDER BY timestamp)
),
events_of_visits AS NOT MATERIALIZED (
    SELECT *, sum(starts_visit) OVER (PARTITION BY site_id, user_id ORDER BY timestamp) AS visit
    FROM events_without_session_id
),
steps_without_trail AS MATERIALIZED (
    SELECT hash(site_id, session_id, 0) AS session_key, timestamp, node
    FROM events_with_session_id
    WHERE node IS NOT NULL
        AND (site_id, session_id) IN (
            SELECT site_id, session_id
            FROM events_with_session_id
            WHERE node IS NOT NULL
                AND node = $2
        )
    UNION ALL
    SELECT hash(site_id, user_id, visit) AS session_key, timestamp, node
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
    SELECT session_key, timestamp, code
    FROM steps_without_trail JOIN codes USING (node)
),
steps AS (
    SELECT
        session_key,
        timestamp,
        code,
        lag(code, 1, 0) OVER steps_of_session AS previous_code,
        CAST(row_number() OVER steps_of_session AS INTEGER) AS position
    FROM session_steps
    WINDOW steps_of_session AS (PARTITION BY session_key ORDER BY timestamp, code)
),
event_step_counts AS MATERIALIZED (
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

-- $1: datetime.datetime(2025, 6, 1, 0, 0)
-- $2: '/buy'
-- $3: 'page_view'
-- $4: '$pageview'
-- $5: 'pageview'

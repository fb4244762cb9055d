WITH tallystick_sql_events AS NOT MATERIALIZED (
    SELECT event_id, site_id, name, timestamp, received_at, user_id, session_id, source, path,
           CAST(properties AS JSON) AS properties
    FROM events
    WHERE site_id = $1
),
tallystick_sql_sessions AS NOT MATERIALIZED (
    -- Group events into visits as analysis/sessions/events.py does: docs/use/visits.md.
    SELECT site_id, session_id, user_id, started_at, (epoch_us(ended_at) - epoch_us(started_at)) / 1000000.0 AS
           duration_seconds, events, pages, entry[1] AS entry_path, exit[1] AS exit_path
    FROM (
        WITH named AS (
            SELECT site_id, session_id, user_id, timestamp, received_at, event_id, path,
                   CASE WHEN name IN ('page_view', '$pageview', 'pageview') THEN 1 ELSE 0 END AS page,
                   CASE WHEN name IN ('page_leave', '$pageleave', 'pageleave') AND session_id IS NULL
                        THEN INTERVAL '1440 minutes' ELSE INTERVAL '30 minutes' END AS pause
            FROM tallystick_sql_events WHERE session_id IS NOT NULL OR user_id IS NOT NULL
        ), starts AS (
            SELECT *, count(session_id) OVER (so_far ROWS UNBOUNDED PRECEDING) AS place,
                   CASE WHEN timestamp <= lag(timestamp) OVER so_far + pause THEN 0 ELSE 1 END AS starts_visit
            FROM named
            WHERE (site_id, user_id) IN (SELECT site_id, user_id FROM named WHERE session_id IS NULL)
            WINDOW so_far AS (PARTITION BY site_id, user_id ORDER BY timestamp, received_at, event_id)
        ), stretches AS (
            SELECT *, sum(starts_visit) OVER (PARTITION BY site_id, user_id ORDER BY timestamp, received_at, event_id
                                              ROWS UNBOUNDED PRECEDING) AS visit
            FROM starts
        ), places AS (
            SELECT site_id, user_id, place, visit, session_id FROM stretches WHERE session_id IS NOT NULL
        ), attributed AS (
            SELECT stretches.site_id, stretches.user_id, stretches.timestamp, stretches.received_at, stretches.event_id,
                   stretches.path, stretches.page, stretches.visit,
                   CASE WHEN earlier.visit = stretches.visit THEN earlier.session_id
                        WHEN later.visit = stretches.visit THEN later.session_id
                        WHEN earlier.session_id = later.session_id THEN earlier.session_id END AS session_id
            FROM stretches
            LEFT JOIN places AS earlier ON earlier.site_id = stretches.site_id AND earlier.user_id = stretches.user_id
                                       AND earlier.place = stretches.place
            LEFT JOIN places AS later ON later.site_id = stretches.site_id AND later.user_id = stretches.user_id
                                     AND later.place = stretches.place + 1
            WHERE stretches.session_id IS NULL
        )
        SELECT site_id, session_id, min(user_id) AS user_id, min(timestamp) AS started_at, max(timestamp) AS ended_at,
               count(*) AS events, count(*) FILTER (WHERE page = 1) AS pages,
               arg_min([path], ROW(-page, timestamp, received_at, event_id)) AS entry,
               arg_max([path], ROW(page, timestamp, received_at, event_id)) AS exit
        FROM (
            SELECT site_id, session_id, user_id, timestamp, received_at, event_id, path, page
            FROM named WHERE session_id IS NOT NULL
            UNION ALL
            SELECT site_id, session_id, user_id, timestamp, received_at, event_id, path, page
            FROM attributed WHERE session_id IS NOT NULL
        ) AS of_sessions
        GROUP BY site_id, session_id
        UNION ALL
        SELECT site_id, NULL, user_id, min(timestamp), max(timestamp), count(*), count(*) FILTER (WHERE page = 1),
               arg_min([path], ROW(-page, timestamp, received_at, event_id)),
               arg_max([path], ROW(page, timestamp, received_at, event_id))
        FROM attributed WHERE session_id IS NULL
        GROUP BY site_id, user_id, visit
    ) AS made
)
SELECT count(*) FROM "tallystick_sql_sessions" AS "sessions"

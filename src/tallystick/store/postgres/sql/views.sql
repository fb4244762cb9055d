-- The views that users' statements read, see usersql/wrap.py. {site} is a WHERE clause, or empty.

-- name: events
SELECT event_id, site_id, name, timestamp, received_at, user_id, session_id, source, path, properties
FROM all_events
{site};

-- name: events_sealed
-- Select the events of one site for users who may see no other, see 0005_sql_role.sql.
SELECT event_id, site_id, name, timestamp, received_at, user_id, session_id, source, path, properties
FROM site_events;

-- name: sessions
-- Group events into visits as analysis/sessions/events.py does: docs/use/visits.md.
SELECT site_id, session_id, user_id, started_at, CAST(extract(epoch FROM ended_at - started_at) AS double precision) AS
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
           (array_agg(path ORDER BY page DESC, timestamp, received_at, event_id))[1:1] AS entry,
           (array_agg(path ORDER BY page DESC, timestamp DESC, received_at DESC, event_id DESC))[1:1] AS exit
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
           (array_agg(path ORDER BY page DESC, timestamp, received_at, event_id))[1:1],
           (array_agg(path ORDER BY page DESC, timestamp DESC, received_at DESC, event_id DESC))[1:1]
    FROM attributed WHERE session_id IS NULL
    GROUP BY site_id, user_id, visit
) AS made;

-- name: users
SELECT site_id, user_id, min(timestamp) AS first_seen, max(timestamp) AS last_seen, count(*) AS events
FROM tallystick_sql_events WHERE user_id IS NOT NULL
GROUP BY site_id, user_id;

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
-- Group events into sessions as analysis/sessions does.
SELECT site_id, session_id, user_id, started_at,
       CAST(extract(epoch FROM ended_at - started_at) AS double precision) AS duration_seconds, events, pages,
       entry[1] AS entry_path, exit[1] AS exit_path
FROM (
    SELECT site_id, session_id, min(user_id) AS user_id, min(timestamp) AS started_at, max(timestamp) AS ended_at,
           count(*) AS events, count(*) FILTER (WHERE page = 1) AS pages,
           (array_agg(path ORDER BY page DESC, timestamp, event_id))[1:1] AS entry,
           (array_agg(path ORDER BY page DESC, timestamp DESC, event_id DESC))[1:1] AS exit
    FROM (
        SELECT site_id, session_id, user_id, timestamp, event_id, path,
               CASE WHEN name IN ('page_view', '$pageview', 'pageview') THEN 1 ELSE 0 END AS page
        FROM tallystick_sql_events WHERE session_id IS NOT NULL
    ) AS named
    GROUP BY site_id, session_id
    UNION ALL
    SELECT site_id, NULL, user_id, min(timestamp), max(timestamp), count(*), count(*) FILTER (WHERE page = 1),
           (array_agg(path ORDER BY page DESC, timestamp, event_id))[1:1],
           (array_agg(path ORDER BY page DESC, timestamp DESC, event_id DESC))[1:1]
    FROM (
        SELECT *, sum(fresh) OVER (PARTITION BY site_id, user_id ORDER BY timestamp) AS visit
        FROM (
            SELECT site_id, user_id, timestamp, event_id, path,
                   CASE WHEN name IN ('page_view', '$pageview', 'pageview') THEN 1 ELSE 0 END AS page,
                   CASE WHEN timestamp <= lag(timestamp) OVER (PARTITION BY site_id, user_id ORDER BY timestamp)
                             + INTERVAL '30 minutes' THEN 0 ELSE 1 END AS fresh
            FROM tallystick_sql_events WHERE session_id IS NULL AND user_id IS NOT NULL
        ) AS paused
    ) AS counted
    GROUP BY site_id, user_id, visit
) AS made;

-- name: users
SELECT site_id, user_id, min(timestamp) AS first_seen, max(timestamp) AS last_seen, count(*) AS events
FROM tallystick_sql_events WHERE user_id IS NOT NULL
GROUP BY site_id, user_id;

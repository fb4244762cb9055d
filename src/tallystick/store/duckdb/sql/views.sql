-- The views that users' statements read, see usersql/wrap.py. {site} is a WHERE clause, or empty.

-- name: events
SELECT event_id, site_id, name, timestamp, received_at, user_id, session_id, source, path,
       CAST(properties AS JSON) AS properties
FROM events
{site};

-- name: events_sealed
-- Select the events of one site for users who may see no other. Their conditions must not be evaluated before the
-- site's: otherwise an error ("could not convert 'x'") would show what a row of another site holds. DuckDB does not
-- move conditions below row_number(). It drops an unused row_number(); the outer condition is always true, but the
-- optimizer cannot know that.
SELECT event_id, site_id, name, timestamp, received_at, user_id, session_id, source, path,
       CAST(properties AS JSON) AS properties
FROM (
    SELECT *, row_number() OVER () AS row
    FROM events
    {site}
) AS kept
WHERE bit_count(row) > 0;

-- name: sessions
-- Group events into sessions as analysis/sessions does.
SELECT site_id, session_id, user_id, started_at, (epoch_us(ended_at) - epoch_us(started_at)) / 1000000.0 AS
       duration_seconds, events, pages, entry[1] AS entry_path, exit[1] AS exit_path
FROM (
    SELECT site_id, session_id, min(user_id) AS user_id, min(timestamp) AS started_at, max(timestamp) AS ended_at,
           count(*) AS events, count(*) FILTER (WHERE page = 1) AS pages,
           arg_min([path], ROW(-page, timestamp, event_id)) AS entry,
           arg_max([path], ROW(page, timestamp, event_id)) AS exit
    FROM (
        SELECT site_id, session_id, user_id, timestamp, event_id, path, 0 AS visit,
               CASE WHEN name IN ('page_view', '$pageview', 'pageview') THEN 1 ELSE 0 END AS page
        FROM tallystick_sql_events WHERE session_id IS NOT NULL
    )
    GROUP BY site_id, session_id
    UNION ALL
    SELECT site_id, NULL, user_id, min(timestamp), max(timestamp), count(*), count(*) FILTER (WHERE page = 1),
           arg_min([path], ROW(-page, timestamp, event_id)), arg_max([path], ROW(page, timestamp, event_id))
    FROM (
        SELECT *, sum(fresh) OVER (PARTITION BY site_id, user_id ORDER BY timestamp) AS visit
        FROM (
            SELECT site_id, user_id, timestamp, event_id, path,
                   CASE WHEN name IN ('page_view', '$pageview', 'pageview') THEN 1 ELSE 0 END AS page,
                   CASE WHEN timestamp <= lag(timestamp) OVER (PARTITION BY site_id, user_id ORDER BY timestamp)
                             + INTERVAL '30 minutes' THEN 0 ELSE 1 END AS fresh
            FROM tallystick_sql_events WHERE session_id IS NULL AND user_id IS NOT NULL
        )
    )
    GROUP BY site_id, user_id, visit
);

-- name: users
SELECT site_id, user_id, min(timestamp) AS first_seen, max(timestamp) AS last_seen, count(*) AS events
FROM tallystick_sql_events WHERE user_id IS NOT NULL
GROUP BY site_id, user_id;

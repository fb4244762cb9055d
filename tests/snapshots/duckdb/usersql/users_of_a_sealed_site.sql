WITH tallystick_sql_events AS NOT MATERIALIZED (
    -- Select the events of one site for users who may see no other. Their conditions must not be evaluated before the
    -- site's: otherwise an error ("could not convert 'x'") would show what a row of another site holds. DuckDB does not
    -- move conditions below row_number(). It drops an unused row_number(); the outer condition is always true, but the
    -- optimizer cannot know that.
    SELECT event_id, site_id, name, timestamp, received_at, user_id, session_id, source, path,
           CAST(properties AS JSON) AS properties
    FROM (
        SELECT *, row_number() OVER () AS row
        FROM events
        WHERE site_id = $1
    ) AS kept
    WHERE bit_count(row) > 0
),
tallystick_sql_users AS NOT MATERIALIZED (
    SELECT site_id, user_id, min(timestamp) AS first_seen, max(timestamp) AS last_seen, count(*) AS events
    FROM tallystick_sql_events WHERE user_id IS NOT NULL
    GROUP BY site_id, user_id
)
WITH "tallystick_sql_late" AS (SELECT * FROM "tallystick_sql_users" AS "users") SELECT * FROM "tallystick_sql_late" AS "late", "tallystick_sql_events" AS "events"

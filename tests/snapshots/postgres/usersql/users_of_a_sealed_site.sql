WITH tallystick_sql_events AS NOT MATERIALIZED (
    -- Select the events of one site for users who may see no other, see 0005_sql_role.sql.
    SELECT event_id, site_id, name, timestamp, received_at, user_id, session_id, source, path, properties
    FROM site_events
),
tallystick_sql_users AS NOT MATERIALIZED (
    SELECT site_id, user_id, min(timestamp) AS first_seen, max(timestamp) AS last_seen, count(*) AS events
    FROM tallystick_sql_events WHERE user_id IS NOT NULL
    GROUP BY site_id, user_id
)
WITH "tallystick_sql_late" AS (SELECT * FROM "tallystick_sql_users" AS "users") SELECT * FROM "tallystick_sql_late" AS "late", "tallystick_sql_events" AS "events"

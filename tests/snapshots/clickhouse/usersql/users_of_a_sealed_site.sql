WITH tallystick_sql_events AS (
    -- Select the events of one site for users who may see no other, see role.sql.
    SELECT event_id, site_id, name, timestamp, received_at, user_id, session_id, source, path,
           CAST(properties AS SimpleAggregateFunction(any, String)) AS properties
    FROM site_events(site = {site:String}, seal = {seal:String})
),
tallystick_sql_users AS (
    SELECT site_id, user_id, min(timestamp) AS first_seen, max(timestamp) AS last_seen, toInt64(count()) AS events
    FROM tallystick_sql_events WHERE user_id IS NOT NULL
    GROUP BY site_id, user_id
)
WITH "tallystick_sql_late" AS (SELECT * FROM "tallystick_sql_users" AS "users") SELECT * FROM "tallystick_sql_late" AS "late" CROSS JOIN "tallystick_sql_events" AS "events"

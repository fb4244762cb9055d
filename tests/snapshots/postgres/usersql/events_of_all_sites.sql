WITH tallystick_sql_events AS NOT MATERIALIZED (
    SELECT event_id, site_id, name, timestamp, received_at, user_id, session_id, source, path, properties
    FROM all_events
)
SELECT "name", "properties" ->> 'plan' FROM "tallystick_sql_events" AS "events" WHERE "timestamp" > now()

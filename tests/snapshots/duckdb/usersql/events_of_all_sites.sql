WITH tallystick_sql_events AS NOT MATERIALIZED (
    SELECT event_id, site_id, name, timestamp, received_at, user_id, session_id, source, path,
           CAST(properties AS JSON) AS properties
    FROM events
)
SELECT "name", json_extract_string("properties", '/plan') FROM "tallystick_sql_events" AS "events" WHERE "timestamp" > CAST(now() AS TIMESTAMP)

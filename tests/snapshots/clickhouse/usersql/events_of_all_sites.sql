WITH tallystick_sql_events AS (
    SELECT event_id, site_id, name, timestamp, received_at, user_id, session_id, source, path,
           CAST(properties AS SimpleAggregateFunction(any, String)) AS properties
    FROM all_events(seal = {seal:String})
)
SELECT "name" AS "name", JSONExtract("properties", 'plan', 'Nullable(String)') AS "properties ->> \'plan\'" FROM "tallystick_sql_events" AS "events" WHERE "timestamp" > now()

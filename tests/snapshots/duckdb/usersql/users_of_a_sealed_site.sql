WITH tallystick_sql_events AS NOT MATERIALIZED (
-- The same for people who may see no other site. Conditions of theirs are not evaluated before the site's: DuckDB does
-- not move them below a count of rows. Else an error ("could not convert 'x'") would tell what another site's row holds.
-- A count that nobody needs it would leave out; that every number has a bit it does not know.
SELECT event_id, site_id, name, timestamp, received_at, user_id, session_id, source, path,
       CAST(properties AS JSON) AS properties
FROM (SELECT *, row_number() OVER () AS row FROM events
WHERE site_id = $1) AS kept
WHERE bit_count(row) > 0
), tallystick_sql_users AS NOT MATERIALIZED (
SELECT site_id, user_id, min(timestamp) AS first_seen, max(timestamp) AS last_seen, count(*) AS events
FROM tallystick_sql_events WHERE user_id IS NOT NULL
GROUP BY site_id, user_id
)
WITH "tallystick_sql_late" AS (SELECT * FROM "tallystick_sql_users" AS "users") SELECT * FROM "tallystick_sql_late" AS "late", "tallystick_sql_events" AS "events"

-- The events of the one site that `runnel.site` names, for statements of people who may see no other (see sql_wrap.py).
-- A barrier: what such a statement asks is evaluated for rows of this site alone. Without it PostgreSQL may evaluate a
-- condition before the site's, and an error ("invalid input syntax: …") would tell what another site's row holds.
-- Comparisons that cannot tell anything, of instants and texts, still find their index and their partitions.
CREATE VIEW site_events WITH (security_barrier) AS
SELECT event_id, site_id, name, timestamp, received_at, user_id, session_id, source, path, properties
FROM events
WHERE site_id = current_setting('runnel.site');

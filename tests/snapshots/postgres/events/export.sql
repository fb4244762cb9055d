SELECT CAST(event_id AS text), site_id, name, CAST(extract(epoch FROM timestamp) * 1000000 AS bigint), CAST(extract(epoch FROM received_at) * 1000000 AS bigint), user_id, session_id, source, path, properties
FROM events
WHERE site_id = CAST($1 AS text)

-- $1: 'default'

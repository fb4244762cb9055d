SELECT CAST(event_id AS VARCHAR), site_id, name, epoch_us(timestamp), epoch_us(received_at), user_id, session_id, source, path, properties
FROM events
WHERE site_id = $1

-- $1: 'default'

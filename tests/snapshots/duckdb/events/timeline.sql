SELECT CAST(event_id AS VARCHAR), site_id, name, epoch_us(timestamp), epoch_us(received_at), user_id, session_id, source, path, properties
FROM events
WHERE site_id = $1
    AND user_id = $2
ORDER BY timestamp, event_id, site_id
LIMIT 51

-- $1: 'default'
-- $2: 'ann'

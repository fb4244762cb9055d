SELECT CAST(event_id AS VARCHAR), site_id, name, epoch_us(timestamp), epoch_us(received_at), user_id, session_id, source, path, properties
FROM events
WHERE site_id = $1
    AND name = $2
ORDER BY timestamp DESC, event_id DESC, site_id DESC
LIMIT 101

-- $1: 'default'
-- $2: 'buy'

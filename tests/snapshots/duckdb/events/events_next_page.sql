SELECT CAST(event_id AS VARCHAR), site_id, name, epoch_us(timestamp), epoch_us(received_at), user_id, session_id, source, path, properties
FROM events
WHERE site_id = $1
    AND timestamp <= $2 AND (timestamp < $2 OR event_id < CAST($3 AS UUID) OR (event_id = CAST($3 AS UUID) AND site_id < $1))
ORDER BY timestamp DESC, event_id DESC, site_id DESC
LIMIT 11

-- $1: 'default'
-- $2: datetime.datetime(2025, 5, 1, 0, 0)
-- $3: '0198f1c2-0000-7000-8000-000000000001'

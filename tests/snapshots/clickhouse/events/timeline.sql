SELECT toString(event_id), site_id, name, toUnixTimestamp64Micro(timestamp), toUnixTimestamp64Micro(received_at), user_id, session_id, source, path, properties
FROM events
WHERE site_id = {p1:String}
    AND user_id = {p2:String}
ORDER BY timestamp, toUInt128(event_id), site_id
LIMIT 51

-- $1: 'default'
-- $2: 'ann'

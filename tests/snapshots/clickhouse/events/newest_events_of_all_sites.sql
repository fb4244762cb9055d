SELECT toString(event_id), site_id, name, toUnixTimestamp64Micro(timestamp), toUnixTimestamp64Micro(received_at), user_id, session_id, source, path, properties
FROM events
ORDER BY timestamp DESC, toUInt128(event_id) DESC, site_id DESC
LIMIT 101


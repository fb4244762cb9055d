SELECT toString(event_id), site_id, name, toUnixTimestamp64Micro(timestamp), toUnixTimestamp64Micro(received_at), user_id, session_id, source, path, properties
FROM events
WHERE site_id = {p1:String}
    AND timestamp <= {p2:DateTime64(6, 'UTC')} AND (timestamp < {p2:DateTime64(6, 'UTC')} OR toUInt128(event_id) < toUInt128({p3:UUID}) OR (event_id = {p3:UUID} AND site_id < {p1:String}))
ORDER BY timestamp DESC, toUInt128(event_id) DESC, site_id DESC
LIMIT 11

-- $1: 'default'
-- $2: datetime.datetime(2025, 5, 1, 0, 0, tzinfo=datetime.timezone.utc)
-- $3: '0198f1c2-0000-7000-8000-000000000001'

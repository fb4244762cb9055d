SELECT CAST(event_id AS text), site_id, name, CAST(extract(epoch FROM timestamp) * 1000000 AS bigint), CAST(extract(epoch FROM received_at) * 1000000 AS bigint), user_id, session_id, source, path, properties
FROM events
WHERE site_id = CAST($1 AS text)
    AND timestamp <= CAST($2 AS timestamptz) AND (timestamp < CAST($2 AS timestamptz) OR event_id < CAST($3 AS uuid) OR (event_id = CAST($3 AS uuid) AND site_id < CAST($1 AS text)))
ORDER BY timestamp DESC, event_id DESC, site_id DESC
LIMIT 11

-- $1: 'default'
-- $2: datetime.datetime(2025, 5, 1, 0, 0, tzinfo=datetime.timezone.utc)
-- $3: UUID('0198f1c2-0000-7000-8000-000000000001')

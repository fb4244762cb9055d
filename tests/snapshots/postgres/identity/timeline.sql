SELECT CAST(event_id AS text), site_id, name, CAST(extract(epoch FROM timestamp) * 1000000 AS bigint), CAST(extract(epoch FROM received_at) * 1000000 AS bigint), user_id, session_id, source, path, properties
FROM events
WHERE site_id = CAST($1 AS text)
    AND user_id IN (
        SELECT user_id
        FROM identities
        WHERE person_id = coalesce((SELECT person_id FROM identities WHERE user_id = CAST($2 AS text) AND site_id = CAST($1 AS text)), CAST($2 AS text))
            AND site_id = CAST($1 AS text)
        UNION ALL
        SELECT person_id FROM identities WHERE user_id = CAST($2 AS text) AND site_id = CAST($1 AS text)
        UNION ALL
        SELECT CAST($2 AS text) WHERE NOT EXISTS (SELECT 1 FROM identities WHERE user_id = CAST($2 AS text) AND site_id = CAST($1 AS text))
    )
ORDER BY timestamp, event_id, site_id
LIMIT 51

-- $1: 'default'
-- $2: 'ann'

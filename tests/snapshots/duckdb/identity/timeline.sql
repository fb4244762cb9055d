SELECT CAST(event_id AS VARCHAR), site_id, name, epoch_us(timestamp), epoch_us(received_at), user_id, session_id, source, path, properties
FROM events
WHERE site_id = $1
    AND user_id IN (
        SELECT user_id
        FROM identities
        WHERE person_id = coalesce((SELECT person_id FROM identities WHERE user_id = $2 AND site_id = $1), $2)
            AND site_id = $1
        UNION ALL
        SELECT person_id FROM identities WHERE user_id = $2 AND site_id = $1
        UNION ALL
        SELECT $2 WHERE NOT EXISTS (SELECT 1 FROM identities WHERE user_id = $2 AND site_id = $1)
    )
ORDER BY timestamp, event_id, site_id
LIMIT 51

-- $1: 'default'
-- $2: 'ann'

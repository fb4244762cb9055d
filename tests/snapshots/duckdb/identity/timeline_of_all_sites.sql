SELECT CAST(event_id AS VARCHAR), site_id, name, epoch_us(timestamp), epoch_us(received_at), user_id, session_id, source, path, properties
FROM events
WHERE user_id IN (
        SELECT user_id
        FROM identities
        WHERE person_id = $1 OR person_id IN (SELECT person_id FROM identities WHERE user_id = $1)
        UNION ALL
        SELECT person_id FROM identities WHERE user_id = $1
        UNION ALL
        SELECT $1
    )
    AND (
        user_id = $1
        OR (site_id, user_id) IN (
            SELECT site_id, user_id
            FROM identities
            WHERE person_id = $1
                OR (site_id, person_id) IN (SELECT site_id, person_id FROM identities WHERE user_id = $1)
            UNION ALL
            SELECT site_id, person_id FROM identities WHERE user_id = $1
        )
    )
ORDER BY timestamp DESC, event_id DESC, site_id DESC
LIMIT 101

-- $1: 'ann'

SELECT CAST(event_id AS text), site_id, name, CAST(extract(epoch FROM timestamp) * 1000000 AS bigint), CAST(extract(epoch FROM received_at) * 1000000 AS bigint), user_id, session_id, source, path, properties
FROM events
WHERE user_id IN (
        SELECT user_id
        FROM identities
        WHERE person_id = CAST($1 AS text) OR person_id IN (SELECT person_id FROM identities WHERE user_id = CAST($1 AS text))
        UNION ALL
        SELECT person_id FROM identities WHERE user_id = CAST($1 AS text)
        UNION ALL
        SELECT CAST($1 AS text)
    )
    AND (
        user_id = CAST($1 AS text)
        OR (site_id, user_id) IN (
            SELECT site_id, user_id
            FROM identities
            WHERE person_id = CAST($1 AS text)
                OR (site_id, person_id) IN (SELECT site_id, person_id FROM identities WHERE user_id = CAST($1 AS text))
            UNION ALL
            SELECT site_id, person_id FROM identities WHERE user_id = CAST($1 AS text)
        )
    )
ORDER BY timestamp DESC, event_id DESC, site_id DESC
LIMIT 101

-- $1: 'ann'

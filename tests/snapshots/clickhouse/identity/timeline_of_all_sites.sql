SELECT toString(event_id), site_id, name, toUnixTimestamp64Micro(timestamp), toUnixTimestamp64Micro(received_at), user_id, session_id, source, path, properties
FROM events
WHERE user_id IN (
        SELECT user_id
        FROM identities
        WHERE person_id = {p1:String} OR person_id IN (SELECT person_id FROM identities WHERE user_id = {p1:String})
        UNION ALL
        SELECT person_id FROM identities WHERE user_id = {p1:String}
        UNION ALL
        SELECT {p1:String}
    )
    AND (
        user_id = {p1:String}
        OR (site_id, user_id) IN (
            SELECT site_id, user_id
            FROM identities
            WHERE person_id = {p1:String}
                OR (site_id, person_id) IN (SELECT site_id, person_id FROM identities WHERE user_id = {p1:String})
            UNION ALL
            SELECT site_id, person_id FROM identities WHERE user_id = {p1:String}
        )
    )
ORDER BY timestamp DESC, toUInt128(event_id) DESC, site_id DESC
LIMIT 101

-- $1: 'ann'

SELECT toString(event_id), site_id, name, toUnixTimestamp64Micro(timestamp), toUnixTimestamp64Micro(received_at), user_id, session_id, source, path, properties
FROM events
WHERE site_id = {p1:String}
    AND user_id IN (
        SELECT user_id
        FROM identities
        WHERE person_id = coalesce((SELECT person_id FROM identities WHERE user_id = {p2:String} AND site_id = {p1:String}), {p2:String})
            AND site_id = {p1:String}
        UNION ALL
        SELECT person_id FROM identities WHERE user_id = {p2:String} AND site_id = {p1:String}
        UNION ALL
        SELECT {p2:String} WHERE NOT EXISTS (SELECT 1 FROM identities WHERE user_id = {p2:String} AND site_id = {p1:String})
    )
ORDER BY timestamp, toUInt128(event_id), site_id
LIMIT 51

-- $1: 'default'
-- $2: 'ann'

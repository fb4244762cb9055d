WITH persons AS (
    SELECT site_id, coalesce(max(person_id), {p1:String}) AS person_id
    FROM (
        SELECT site_id, person_id
        FROM identities
        WHERE user_id = {p1:String}
        UNION ALL
        SELECT site_id, NULL
        FROM identities
        WHERE person_id = {p1:String}
        UNION ALL
        SELECT DISTINCT site_id, NULL
        FROM events
        WHERE user_id = {p1:String}
    ) AS known_on_sites
    GROUP BY site_id
),
ids AS (
    SELECT site_id, person_id, user_id, linked_to, linked_at, event_id
    FROM persons JOIN identities USING (site_id, person_id)
    UNION ALL
    SELECT site_id, person_id, person_id, NULL, NULL, NULL
    FROM persons
    WHERE (site_id, person_id) NOT IN (
        SELECT site_id, user_id
        FROM identities
        WHERE user_id IN (SELECT person_id FROM persons)
    )
),
events_of_ids AS (
    SELECT
        site_id,
        user_id,
        min(timestamp) AS first_seen,
        max(timestamp) AS last_seen,
        count(*) AS events
    FROM events
    WHERE (site_id, user_id) IN (SELECT site_id, user_id FROM ids)
    GROUP BY site_id, user_id
)
SELECT
    site_id,
    person_id,
    user_id,
    linked_to,
    toUnixTimestamp64Micro(linked_at),
    toString(event_id),
    toUnixTimestamp64Micro(first_seen),
    toUnixTimestamp64Micro(last_seen),
    toUnixTimestamp64Micro(min(first_seen) OVER ()),
    toUnixTimestamp64Micro(max(last_seen) OVER ()),
    coalesce(events, 0),
    coalesce(CAST(sum(events) OVER () AS BIGINT), 0),
    count(*) OVER ()
FROM ids LEFT JOIN events_of_ids USING (site_id, user_id)
ORDER BY linked_at NULLS FIRST, user_id, site_id
LIMIT 100

-- $1: 'ann'

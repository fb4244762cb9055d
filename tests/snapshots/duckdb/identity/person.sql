WITH persons AS (
    SELECT site_id, coalesce(max(person_id), $1) AS person_id
    FROM (
        SELECT site_id, person_id
        FROM identities
        WHERE user_id = $1
            AND site_id = $2
        UNION ALL
        SELECT site_id, NULL
        FROM identities
        WHERE person_id = $1
            AND site_id = $2
        UNION ALL
        SELECT DISTINCT site_id, NULL
        FROM events
        WHERE user_id = $1
            AND site_id = $2
        UNION ALL SELECT $2, NULL
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
    WHERE site_id = $2
        AND timestamp >= $3
        AND timestamp < $4
        AND (site_id, user_id) IN (SELECT site_id, user_id FROM ids)
    GROUP BY site_id, user_id
)
SELECT
    site_id,
    person_id,
    user_id,
    linked_to,
    epoch_us(linked_at),
    CAST(event_id AS VARCHAR),
    epoch_us(first_seen),
    epoch_us(last_seen),
    epoch_us(min(first_seen) OVER ()),
    epoch_us(max(last_seen) OVER ()),
    coalesce(events, 0),
    coalesce(CAST(sum(events) OVER () AS BIGINT), 0),
    count(*) OVER ()
FROM ids LEFT JOIN events_of_ids USING (site_id, user_id)
ORDER BY linked_at NULLS FIRST, user_id, site_id
LIMIT 100

-- $1: 'ann'
-- $2: 'default'
-- $3: datetime.datetime(2025, 5, 1, 0, 0)
-- $4: datetime.datetime(2025, 6, 1, 0, 0)

WITH persons AS (
    SELECT site_id, coalesce(max(person_id), CAST($1 AS text)) AS person_id
    FROM (
        SELECT site_id, person_id
        FROM identities
        WHERE user_id = CAST($1 AS text)
            AND site_id = CAST($2 AS text)
        UNION ALL
        SELECT site_id, NULL
        FROM identities
        WHERE person_id = CAST($1 AS text)
            AND site_id = CAST($2 AS text)
        UNION ALL
        SELECT DISTINCT site_id, NULL
        FROM events
        WHERE user_id = CAST($1 AS text)
            AND site_id = CAST($2 AS text)
        UNION ALL SELECT CAST($2 AS text), NULL
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
    WHERE site_id = CAST($2 AS text)
        AND timestamp >= CAST($3 AS timestamptz)
        AND timestamp < CAST($4 AS timestamptz)
        AND (site_id, user_id) IN (SELECT site_id, user_id FROM ids)
    GROUP BY site_id, user_id
)
SELECT
    site_id,
    person_id,
    user_id,
    linked_to,
    CAST(extract(epoch FROM linked_at) * 1000000 AS bigint),
    CAST(event_id AS text),
    CAST(extract(epoch FROM first_seen) * 1000000 AS bigint),
    CAST(extract(epoch FROM last_seen) * 1000000 AS bigint),
    CAST(extract(epoch FROM min(first_seen) OVER ()) * 1000000 AS bigint),
    CAST(extract(epoch FROM max(last_seen) OVER ()) * 1000000 AS bigint),
    coalesce(events, 0),
    coalesce(CAST(sum(events) OVER () AS BIGINT), 0),
    count(*) OVER ()
FROM ids LEFT JOIN events_of_ids USING (site_id, user_id)
ORDER BY linked_at NULLS FIRST, user_id, site_id
LIMIT 100

-- $1: 'ann'
-- $2: 'default'
-- $3: datetime.datetime(2025, 5, 1, 0, 0, tzinfo=datetime.timezone.utc)
-- $4: datetime.datetime(2025, 6, 1, 0, 0, tzinfo=datetime.timezone.utc)

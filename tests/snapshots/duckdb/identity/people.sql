WITH page AS MATERIALIZED (
    SELECT
        user_id,
        max(timestamp) AS last_seen,
        min(timestamp) AS first_seen,
        count(*) AS events
    FROM (
        SELECT site_id, event_id, name, timestamp, received_at, session_id, source, path, properties, coalesce(person_id, user_id) AS user_id, user_id AS sent_id
        FROM events
        LEFT JOIN (
            SELECT user_id AS of_id, person_id
            FROM identities
            WHERE site_id = $1
        ) AS ids ON of_id = user_id
    ) AS events
    WHERE site_id = $1
        AND user_id IS NOT NULL
    GROUP BY user_id
    HAVING (bool_or(contains(lower(user_id), lower($2)) OR contains(lower(sent_id), lower($2))))
    ORDER BY last_seen DESC, user_id DESC
    LIMIT 101
),
sessions_of_users AS (
    SELECT user_id, count(DISTINCT session_id) AS sessions
    FROM (
        SELECT site_id, event_id, name, timestamp, received_at, session_id, source, path, properties, coalesce(person_id, user_id) AS user_id, user_id AS sent_id
        FROM events
        LEFT JOIN (
            SELECT user_id AS of_id, person_id
            FROM identities
            WHERE site_id = $1
        ) AS ids ON of_id = user_id
    ) AS events
    WHERE site_id = $1
        AND user_id IS NOT NULL
        AND user_id IN (SELECT user_id FROM page)
    GROUP BY user_id
)
SELECT page.user_id, epoch_us(first_seen), epoch_us(last_seen), events, sessions
FROM page JOIN sessions_of_users ON sessions_of_users.user_id = page.user_id
ORDER BY page.last_seen DESC, page.user_id DESC

-- $1: 'default'
-- $2: 'An'

WITH page AS MATERIALIZED (
    SELECT
        user_id,
        max(timestamp) AS last_seen,
        min(timestamp) AS first_seen,
        count(*) AS events
    FROM events
    WHERE site_id = $1
        AND timestamp >= $2
        AND timestamp < $3
        AND path IS NOT NULL
        AND user_id IS NOT NULL
        AND contains(lower(user_id), lower($4))
    GROUP BY user_id
    ORDER BY events DESC, user_id DESC
    LIMIT 101
),
sessions_of_users AS (
    SELECT user_id, count(DISTINCT session_id) AS sessions
    FROM events
    WHERE site_id = $1
        AND timestamp >= $2
        AND timestamp < $3
        AND path IS NOT NULL
        AND user_id IS NOT NULL
        AND contains(lower(user_id), lower($4))
        AND user_id IN (SELECT user_id FROM page)
    GROUP BY user_id
)
SELECT page.user_id, epoch_us(first_seen), epoch_us(last_seen), events, sessions
FROM page JOIN sessions_of_users ON sessions_of_users.user_id = page.user_id
ORDER BY page.events DESC, page.user_id DESC

-- $1: 'default'
-- $2: datetime.datetime(2025, 5, 1, 0, 0)
-- $3: datetime.datetime(2025, 6, 1, 0, 0)
-- $4: 'An'

WITH page AS MATERIALIZED (
    SELECT
        user_id,
        max(timestamp) AS last_seen,
        min(timestamp) AS first_seen,
        count(*) AS events
    FROM events
    WHERE site_id = CAST($1 AS text)
        AND timestamp >= CAST($2 AS timestamptz)
        AND timestamp < CAST($3 AS timestamptz)
        AND path IS NOT NULL
        AND user_id IS NOT NULL
        AND strpos(lower(user_id COLLATE "und-x-icu") COLLATE "C", lower(CAST($4 AS text) COLLATE "und-x-icu") COLLATE "C") > 0
    GROUP BY user_id
    ORDER BY events DESC, user_id DESC
    LIMIT 101
),
sessions_of_users AS (
    SELECT user_id, count(DISTINCT session_id) AS sessions
    FROM events
    WHERE site_id = CAST($1 AS text)
        AND timestamp >= CAST($2 AS timestamptz)
        AND timestamp < CAST($3 AS timestamptz)
        AND path IS NOT NULL
        AND user_id IS NOT NULL
        AND strpos(lower(user_id COLLATE "und-x-icu") COLLATE "C", lower(CAST($4 AS text) COLLATE "und-x-icu") COLLATE "C") > 0
        AND user_id IN (SELECT user_id FROM page)
    GROUP BY user_id
)
SELECT page.user_id, CAST(extract(epoch FROM first_seen) * 1000000 AS bigint), CAST(extract(epoch FROM last_seen) * 1000000 AS bigint), events, sessions
FROM page JOIN sessions_of_users ON sessions_of_users.user_id = page.user_id
ORDER BY page.events DESC, page.user_id DESC

-- $1: 'default'
-- $2: datetime.datetime(2025, 5, 1, 0, 0, tzinfo=datetime.timezone.utc)
-- $3: datetime.datetime(2025, 6, 1, 0, 0, tzinfo=datetime.timezone.utc)
-- $4: 'An'

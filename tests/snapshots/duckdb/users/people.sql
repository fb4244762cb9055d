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
loose_events AS (
    SELECT
        user_id,
        timestamp,
        rowid,
        name IN ($5, $6, $7) AS is_leave
    FROM events
    WHERE site_id = $1
        AND timestamp >= $8
        AND timestamp < $9
        AND session_id IS NULL
        AND user_id IS NOT NULL
        AND user_id IN (SELECT user_id FROM page)
),
events_of_loose_users AS (
    SELECT
        user_id,
        timestamp,
        rowid,
        NULL AS session_id,
        is_leave
    FROM loose_events
    UNION ALL
    SELECT
        user_id,
        timestamp,
        rowid,
        session_id,
        FALSE
    FROM events
    WHERE site_id = $1
        AND timestamp >= $8
        AND timestamp < $9
        AND session_id IS NOT NULL
        AND (user_id) IN (SELECT user_id FROM loose_events)
),
starts_of_stretches AS NOT MATERIALIZED (
    SELECT
        *,
        count(session_id) OVER (events_of_user ROWS UNBOUNDED PRECEDING) AS place,
        CASE
            WHEN timestamp <= lag(timestamp) OVER events_of_user
                + CASE WHEN is_leave THEN INTERVAL '1440 minutes' ELSE INTERVAL '30 minutes' END
            THEN 0
            ELSE 1
        END AS starts_visit
    FROM events_of_loose_users
    WINDOW events_of_user AS (PARTITION BY user_id ORDER BY timestamp, rowid)
),
stretches AS MATERIALIZED (
    SELECT
        *,
        sum(starts_visit) OVER (PARTITION BY user_id ORDER BY timestamp, rowid ROWS UNBOUNDED PRECEDING) AS visit
    FROM starts_of_stretches
),
session_places AS NOT MATERIALIZED (
    SELECT user_id, place, visit, session_id
    FROM stretches
    WHERE session_id IS NOT NULL
),
attributed_events AS MATERIALIZED (
    SELECT
        stretches.user_id,
        stretches.timestamp,
        stretches.rowid,
        stretches.visit,
        CASE
            WHEN earlier.visit = stretches.visit THEN earlier.session_id
            WHEN later.visit = stretches.visit THEN later.session_id
            WHEN earlier.session_id = later.session_id THEN earlier.session_id
        END AS session_id
    FROM stretches
    LEFT JOIN session_places AS earlier ON earlier.user_id = stretches.user_id AND earlier.place = stretches.place
    LEFT JOIN session_places AS later ON later.user_id = stretches.user_id AND later.place = stretches.place + 1
    WHERE stretches.session_id IS NULL
),
visits_of_loose_events AS NOT MATERIALIZED (
    SELECT
        rowid AS of_rowid,
        coalesce(session_id, chr(31) || CAST(user_id AS VARCHAR) || chr(31) || visit) AS loose_visit
    FROM attributed_events
),
sessions_of_users AS (
    SELECT user_id, count(DISTINCT coalesce(loose_visit, session_id)) AS sessions
    FROM events
    LEFT JOIN visits_of_loose_events ON of_rowid = events.rowid
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
-- $5: 'page_leave'
-- $6: '$pageleave'
-- $7: 'pageleave'
-- $8: datetime.datetime(2025, 4, 30, 0, 0)
-- $9: datetime.datetime(2025, 6, 2, 0, 0)

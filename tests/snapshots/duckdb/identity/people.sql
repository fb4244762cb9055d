WITH page AS MATERIALIZED (
    SELECT
        user_id,
        max(timestamp) AS last_seen,
        min(timestamp) AS first_seen,
        count(*) AS events
    FROM (
        SELECT site_id, event_id, name, timestamp, received_at, session_id, source, path, properties, events.rowid, coalesce(person_id, user_id) AS user_id, user_id AS sent_id
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
loose_events AS (
    SELECT
        user_id,
        timestamp,
        rowid,
        name IN ($3, $4, $5) AS is_leave
    FROM (
        SELECT site_id, event_id, name, timestamp, received_at, session_id, source, path, properties, events.rowid, coalesce(person_id, user_id) AS user_id, user_id AS sent_id
        FROM events
        LEFT JOIN (
            SELECT user_id AS of_id, person_id
            FROM identities
            WHERE site_id = $1
        ) AS ids ON of_id = user_id
    ) AS events
    WHERE site_id = $1
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
    FROM (
        SELECT site_id, event_id, name, timestamp, received_at, session_id, source, path, properties, events.rowid, coalesce(person_id, user_id) AS user_id, user_id AS sent_id
        FROM events
        LEFT JOIN (
            SELECT user_id AS of_id, person_id
            FROM identities
            WHERE site_id = $1
        ) AS ids ON of_id = user_id
    ) AS events
    WHERE site_id = $1
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
    FROM (
        SELECT site_id, event_id, name, timestamp, received_at, session_id, source, path, properties, events.rowid, coalesce(person_id, user_id) AS user_id, user_id AS sent_id
        FROM events
        LEFT JOIN (
            SELECT user_id AS of_id, person_id
            FROM identities
            WHERE site_id = $1
        ) AS ids ON of_id = user_id
    ) AS events
    LEFT JOIN visits_of_loose_events ON of_rowid = events.rowid
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
-- $3: 'page_leave'
-- $4: '$pageleave'
-- $5: 'pageleave'

WITH loose_events AS (
    SELECT
        user_id,
        timestamp,
        rowid,
        name IN ($4, $5, $6) AS is_leave,
        CASE WHEN name IN ($1, $2, $3) THEN 1 ELSE 0 END AS page
    FROM (
        SELECT site_id, event_id, name, timestamp, received_at, session_id, source, path, properties, events.rowid, coalesce(person_id, user_id) AS user_id, user_id AS sent_id
        FROM events
        LEFT JOIN (
            SELECT user_id AS of_id, person_id
            FROM identities
            WHERE site_id = $7
        ) AS ids ON of_id = user_id
    ) AS events
    WHERE site_id = $7
        AND timestamp >= $8
        AND timestamp < $9
        AND session_id IS NULL
        AND user_id IS NOT NULL
),
events_of_loose_users AS (
    SELECT
        user_id,
        timestamp,
        rowid,
        NULL AS session_id,
        is_leave,
        page
    FROM loose_events
    UNION ALL
    SELECT
        user_id,
        timestamp,
        rowid,
        session_id,
        FALSE,
        NULL
    FROM (
        SELECT site_id, event_id, name, timestamp, received_at, session_id, source, path, properties, events.rowid, coalesce(person_id, user_id) AS user_id, user_id AS sent_id
        FROM events
        LEFT JOIN (
            SELECT user_id AS of_id, person_id
            FROM identities
            WHERE site_id = $7
        ) AS ids ON of_id = user_id
    ) AS events
    WHERE site_id = $7
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
        stretches.page,
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
events_of_sessions AS NOT MATERIALIZED (
    SELECT
        session_id,
        timestamp,
        rowid,
        CASE WHEN name IN ($1, $2, $3) THEN 1 ELSE 0 END AS page
    FROM (
        SELECT site_id, event_id, name, timestamp, received_at, session_id, source, path, properties, events.rowid, user_id, user_id AS sent_id
        FROM events
    ) AS events
    WHERE site_id = $7
        AND timestamp >= $8
        AND timestamp < $9
        AND session_id IS NOT NULL
    UNION ALL
    SELECT
        session_id,
        timestamp,
        rowid,
        page
    FROM attributed_events
    WHERE session_id IS NOT NULL
),
sessions_with_id AS NOT MATERIALIZED (
    SELECT
        min(timestamp) AS started,
        epoch_us(max(timestamp)) - epoch_us(min(timestamp)) AS duration,
        count(*) AS events,
        count(*) FILTER (WHERE page = 1) AS pages
    FROM events_of_sessions
    GROUP BY session_id
    HAVING min(timestamp) >= $10
        AND min(timestamp) < $11
),
events_of_visits AS NOT MATERIALIZED (
    SELECT
        user_id,
        visit,
        timestamp,
        rowid,
        page
    FROM attributed_events
    WHERE session_id IS NULL
),
visits AS NOT MATERIALIZED (
    SELECT
        min(timestamp) AS started,
        epoch_us(max(timestamp)) - epoch_us(min(timestamp)) AS duration,
        count(*) AS events,
        count(*) FILTER (WHERE page = 1) AS pages
    FROM events_of_visits
    GROUP BY user_id, visit
    HAVING min(timestamp) >= $10
        AND min(timestamp) < $11
),
sessions AS (
    SELECT
        duration,
        events,
        pages
    FROM (
        SELECT * FROM sessions_with_id
        UNION ALL
        SELECT * FROM visits
    ) AS computed_sessions
)
SELECT
    count(*) AS metric_0,
    CAST(count(*) FILTER (WHERE pages = 1) AS DOUBLE PRECISION) / nullif(count(*) FILTER (WHERE pages > 0), 0) AS metric_1,
    quantile_cont(CAST(duration AS DOUBLE PRECISION), 0.5) / 1000000 AS metric_2,
    CAST(sum(pages) AS DOUBLE PRECISION) / nullif(count(*), 0) AS metric_3
FROM sessions

-- $1: 'page_view'
-- $2: '$pageview'
-- $3: 'pageview'
-- $4: 'page_leave'
-- $5: '$pageleave'
-- $6: 'pageleave'
-- $7: 'default'
-- $8: datetime.datetime(2025, 4, 30, 0, 0)
-- $9: datetime.datetime(2025, 6, 2, 0, 0)
-- $10: datetime.datetime(2025, 5, 1, 0, 0)
-- $11: datetime.datetime(2025, 6, 1, 0, 0)

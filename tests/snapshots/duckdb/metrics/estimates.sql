WITH loose_events AS (
    SELECT
        user_id,
        timestamp,
        rowid,
        name IN ($1, $2, $3) AS is_leave
    FROM events
    WHERE site_id = $4
        AND session_id IS NULL
        AND user_id IS NOT NULL
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
    WHERE site_id = $4
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
scoped AS (
    SELECT
        name AS dim_0,
        user_id,
        coalesce(loose_visit, session_id) AS visit
    FROM events
    LEFT JOIN visits_of_loose_events ON of_rowid = events.rowid
    WHERE site_id = $4
)
SELECT
    dim_0,
    approx_count_distinct(user_id) AS metric_0,
    approx_count_distinct(visit) AS metric_1,
    CAST(count(user_id) AS DOUBLE PRECISION) / nullif(approx_count_distinct(user_id), 0) AS metric_2
FROM scoped
GROUP BY dim_0
ORDER BY dim_0 NULLS LAST
LIMIT 10001

-- $1: 'page_leave'
-- $2: '$pageleave'
-- $3: 'pageleave'
-- $4: 'default'

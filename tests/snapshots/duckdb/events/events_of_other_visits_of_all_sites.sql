WITH matching_visits_1 AS MATERIALIZED (
    WITH loose_events AS (
        SELECT
            site_id,
            user_id,
            timestamp,
            rowid,
            name IN ($4, $5, $6) AS is_leave,
            CASE WHEN name IN ($1, $2, $3) THEN 1 ELSE 0 END AS page,
            path AS text_0
        FROM events
        WHERE session_id IS NULL
            AND user_id IS NOT NULL
    ),
    events_of_loose_users AS (
        SELECT
            site_id,
            user_id,
            timestamp,
            rowid,
            NULL AS session_id,
            is_leave,
            page,
            text_0
        FROM loose_events
        UNION ALL
        SELECT
            site_id,
            user_id,
            timestamp,
            rowid,
            session_id,
            FALSE,
            NULL,
            NULL
        FROM events
        WHERE session_id IS NOT NULL
            AND (site_id, user_id) IN (SELECT site_id, user_id FROM loose_events)
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
        WINDOW events_of_user AS (PARTITION BY site_id, user_id ORDER BY timestamp, rowid)
    ),
    stretches AS MATERIALIZED (
        SELECT
            *,
            sum(starts_visit) OVER (PARTITION BY site_id, user_id ORDER BY timestamp, rowid ROWS UNBOUNDED PRECEDING) AS visit
        FROM starts_of_stretches
    ),
    session_places AS NOT MATERIALIZED (
        SELECT site_id, user_id, place, visit, session_id
        FROM stretches
        WHERE session_id IS NOT NULL
    ),
    attributed_events AS MATERIALIZED (
        SELECT
            stretches.site_id,
            stretches.user_id,
            stretches.timestamp,
            stretches.rowid,
            stretches.visit,
            stretches.page,
            stretches.text_0,
            CASE
                WHEN earlier.visit = stretches.visit THEN earlier.session_id
                WHEN later.visit = stretches.visit THEN later.session_id
                WHEN earlier.session_id = later.session_id THEN earlier.session_id
            END AS session_id
        FROM stretches
        LEFT JOIN session_places AS earlier ON earlier.site_id = stretches.site_id AND earlier.user_id = stretches.user_id AND earlier.place = stretches.place
        LEFT JOIN session_places AS later ON later.site_id = stretches.site_id AND later.user_id = stretches.user_id AND later.place = stretches.place + 1
        WHERE stretches.session_id IS NULL
    ),
    events_of_sessions AS NOT MATERIALIZED (
        SELECT
            site_id,
            session_id,
            timestamp,
            rowid,
            CASE WHEN name IN ($1, $2, $3) THEN 1 ELSE 0 END AS page,
            path AS text_0
        FROM events
        WHERE session_id IS NOT NULL
        UNION ALL
        SELECT
            site_id,
            session_id,
            timestamp,
            rowid,
            page,
            text_0
        FROM attributed_events
        WHERE session_id IS NOT NULL
    ),
    sessions_with_id AS NOT MATERIALIZED (
        SELECT
            site_id,
            session_id,
            count(*) FILTER (WHERE page = 1) AS pages,
            arg_min([text_0], ROW(-page, timestamp, rowid)) AS entry_event
        FROM events_of_sessions
        GROUP BY site_id, session_id
    ),
    matching_sessions AS MATERIALIZED (
        SELECT
            site_id,
            session_id
        FROM (
            SELECT
                site_id,
                session_id,
                entry_event[1] AS dim_0
            FROM (
                SELECT * FROM sessions_with_id
            ) AS computed_sessions
        ) AS tested_sessions
        WHERE dim_0 = $7
    ),
    events_of_visits AS NOT MATERIALIZED (
        SELECT
            site_id,
            user_id,
            visit,
            timestamp,
            rowid,
            page,
            text_0
        FROM attributed_events
        WHERE session_id IS NULL
    ),
    visits AS NOT MATERIALIZED (
        SELECT
            site_id,
            user_id,
            visit,
            count(*) FILTER (WHERE page = 1) AS pages,
            arg_min([text_0], ROW(-page, timestamp, rowid)) AS entry_event
        FROM events_of_visits
        GROUP BY site_id, user_id, visit
    ),
    matching_visits AS MATERIALIZED (
        SELECT
            site_id,
            user_id,
            visit
        FROM (
            SELECT
                site_id,
                user_id,
                visit,
                entry_event[1] AS dim_0
            FROM (
                SELECT * FROM visits
            ) AS computed_sessions
        ) AS tested_sessions
        WHERE dim_0 = $7
    )
    SELECT
        site_id,
        session_id,
        NULL AS of_rowid
    FROM matching_sessions
    UNION ALL
    SELECT
        site_id,
        NULL AS session_id,
        rowid AS of_rowid
    FROM attributed_events
    WHERE
        (site_id, session_id) IN (SELECT site_id, session_id FROM matching_sessions)
        OR (session_id IS NULL AND (site_id, user_id, visit) IN (SELECT site_id, user_id, visit FROM matching_visits))
)
SELECT CAST(event_id AS VARCHAR), site_id, name, epoch_us(timestamp), epoch_us(received_at), user_id, session_id, source, path, properties
FROM events
WHERE NOT coalesce(((site_id, session_id) IN (SELECT site_id, session_id FROM matching_visits_1 WHERE session_id IS NOT NULL) OR (events.rowid) IN (SELECT of_rowid FROM matching_visits_1 WHERE session_id IS NULL)), FALSE)
ORDER BY timestamp DESC, event_id DESC, site_id DESC
LIMIT 101

-- $1: 'page_view'
-- $2: '$pageview'
-- $3: 'pageview'
-- $4: 'page_leave'
-- $5: '$pageleave'
-- $6: 'pageleave'
-- $7: '/'

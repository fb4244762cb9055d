WITH matching_visits_1 AS MATERIALIZED (
    WITH loose_events AS (
        SELECT
            site_id,
            user_id,
            timestamp,
            received_at,
            ingester,
            seq,
            line,
            name IN ({p4:String}, {p5:String}, {p6:String}) AS is_leave,
            CASE WHEN name IN ({p1:String}, {p2:String}, {p3:String}) THEN 1 ELSE 0 END AS page,
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
            received_at,
            ingester,
            seq,
            line,
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
            received_at,
            ingester,
            seq,
            line,
            session_id,
            FALSE,
            NULL,
            NULL
        FROM events
        WHERE session_id IS NOT NULL
            AND (site_id, user_id) IN (SELECT site_id, user_id
            FROM events
            WHERE session_id IS NULL
                AND user_id IS NOT NULL)
    ),
    starts_of_stretches AS NOT MATERIALIZED (
        SELECT
            *,
            count(session_id) OVER (events_of_user ROWS UNBOUNDED PRECEDING) AS place,
            CASE
                WHEN timestamp <= lag(toNullable(timestamp)) OVER events_of_user
                    + CASE WHEN is_leave THEN INTERVAL '1440 minutes' ELSE INTERVAL '30 minutes' END
                THEN 0
                ELSE 1
            END AS starts_visit
        FROM events_of_loose_users
        WINDOW events_of_user AS (PARTITION BY site_id, user_id ORDER BY timestamp, received_at, ingester, seq, line)
    ),
    stretches AS MATERIALIZED (
        SELECT
            *,
            sum(starts_visit) OVER (PARTITION BY site_id, user_id ORDER BY timestamp, received_at, ingester, seq, line ROWS UNBOUNDED PRECEDING) AS visit
        FROM starts_of_stretches
    ),
    stretches_with_sessions_around AS (
        SELECT
            *,
            anyLast(session_id) OVER so_far AS earlier_session,
            anyLast(CASE WHEN session_id IS NOT NULL THEN visit END) OVER so_far AS earlier_visit,
            any(session_id) OVER from_here AS later_session,
            any(CASE WHEN session_id IS NOT NULL THEN visit END) OVER from_here AS later_visit
        FROM stretches
        WINDOW
            so_far AS (PARTITION BY site_id, user_id ORDER BY timestamp, received_at, ingester, seq, line ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW),
            from_here AS (PARTITION BY site_id, user_id ORDER BY timestamp, received_at, ingester, seq, line ROWS BETWEEN CURRENT ROW AND UNBOUNDED FOLLOWING)
    ),
    attributed_events AS (
        SELECT
            site_id,
            user_id,
            timestamp,
            received_at,
            ingester,
            seq,
            line,
            visit,
            page,
            text_0,
            CASE
                WHEN earlier_visit = visit THEN earlier_session
                WHEN later_visit = visit THEN later_session
                WHEN earlier_session = later_session THEN earlier_session
            END AS session_id
        FROM stretches_with_sessions_around AS around
        WHERE around.session_id IS NULL
    ),
    events_of_sessions AS NOT MATERIALIZED (
        SELECT
            site_id,
            session_id,
            timestamp,
            received_at,
            ingester,
            seq,
            line,
            CASE WHEN name IN ({p1:String}, {p2:String}, {p3:String}) THEN 1 ELSE 0 END AS page,
            path AS text_0
        FROM events
        WHERE session_id IS NOT NULL
        UNION ALL
        SELECT
            site_id,
            session_id,
            timestamp,
            received_at,
            ingester,
            seq,
            line,
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
            argMin(ifNull(concat('=', text_0), ''), (
                toUInt128(toUnixTimestamp64Micro(timestamp)) * toUInt128('37778931862957161709568')
                    + toUInt128(least(greatest(toUnixTimestamp64Micro(received_at) - toUnixTimestamp64Micro(timestamp) + 137438953472, 0), 1125899906842623)) * 33554432
                    + toUInt64(bitAnd(seq, 31) * 1048576 + least(line, 1048575))
            ) + toUInt128(1 - page) * toUInt128('170141183460469231731687303715884105728')) AS entry_event
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
                arrayMap(text -> if(text = '', NULL, substring(text, 2)), [splitByChar('\0', entry_event)[1]])[1] AS dim_0
            FROM (
                SELECT * FROM sessions_with_id
            ) AS computed_sessions
        ) AS tested_sessions
        WHERE dim_0 = {p7:String}
    ),
    events_of_visits AS NOT MATERIALIZED (
        SELECT
            site_id,
            user_id,
            visit,
            timestamp,
            received_at,
            ingester,
            seq,
            line,
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
            argMin(ifNull(concat('=', text_0), ''), (
                toUInt128(toUnixTimestamp64Micro(timestamp)) * toUInt128('37778931862957161709568')
                    + toUInt128(least(greatest(toUnixTimestamp64Micro(received_at) - toUnixTimestamp64Micro(timestamp) + 137438953472, 0), 1125899906842623)) * 33554432
                    + toUInt64(bitAnd(seq, 31) * 1048576 + least(line, 1048575))
            ) + toUInt128(1 - page) * toUInt128('170141183460469231731687303715884105728')) AS entry_event
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
                arrayMap(text -> if(text = '', NULL, substring(text, 2)), [splitByChar('\0', entry_event)[1]])[1] AS dim_0
            FROM (
                SELECT * FROM visits
            ) AS computed_sessions
        ) AS tested_sessions
        WHERE dim_0 = {p7:String}
    )
    SELECT
        site_id,
        session_id,
        NULL AS of_ingester,
        NULL AS of_seq,
        NULL AS of_line
    FROM matching_sessions
    UNION ALL
    SELECT
        site_id,
        NULL AS session_id,
        ingester AS of_ingester,
        seq AS of_seq,
        line AS of_line
    FROM attributed_events
    WHERE
        (site_id, session_id) IN (SELECT site_id, session_id FROM matching_sessions)
        OR (session_id IS NULL AND (site_id, user_id, visit) IN (SELECT site_id, user_id, visit FROM matching_visits))
)
SELECT toString(event_id), site_id, name, toUnixTimestamp64Micro(timestamp), toUnixTimestamp64Micro(received_at), user_id, session_id, source, path, properties
FROM events
WHERE NOT coalesce(((site_id, session_id) IN (SELECT site_id, session_id FROM matching_visits_1 WHERE session_id IS NOT NULL) OR (events.ingester, events.seq, events.line) IN (SELECT of_ingester, of_seq, of_line FROM matching_visits_1 WHERE session_id IS NULL)), FALSE)
ORDER BY timestamp DESC, toUInt128(event_id) DESC, site_id DESC
LIMIT 101

-- $1: 'page_view'
-- $2: '$pageview'
-- $3: 'pageview'
-- $4: 'page_leave'
-- $5: '$pageleave'
-- $6: 'pageleave'
-- $7: '/'

WITH tallystick_sql_events AS (
    SELECT event_id, site_id, name, timestamp, received_at, user_id, session_id, source, path,
           CAST(properties AS SimpleAggregateFunction(any, String)) AS properties
    FROM all_events(seal = {seal:String})
    WHERE site_id = {site:String}
),
tallystick_sql_sessions AS (
    -- Group events into visits as analysis/sessions/events.py does: docs/use/visits.md. Events without a session_id find the
    -- sessions around them by windows: a join would read the events once more.
    SELECT site_id, session_id, user_id, started_at,
           (toUnixTimestamp64Micro(ended_at) - toUnixTimestamp64Micro(started_at)) / 1000000 AS duration_seconds,
           events, pages, entry[1] AS entry_path, exit[1] AS exit_path
    FROM (
        WITH named AS (
            SELECT site_id, session_id, user_id, timestamp, received_at, event_id, path,
                   if(name IN ('page_view', '$pageview', 'pageview'), 1, 0) AS page,
                   if(name IN ('page_leave', '$pageleave', 'pageleave') AND session_id IS NULL, 86400, 1800) * 1000000
                       AS pause
            FROM tallystick_sql_events WHERE session_id IS NOT NULL OR user_id IS NOT NULL
        ), starts AS (
            SELECT *, if(toUnixTimestamp64Micro(timestamp)
                         <= lag(toNullable(toUnixTimestamp64Micro(timestamp))) OVER so_far + pause, 0, 1) AS starts_visit
            FROM named
            WHERE (site_id, user_id) IN (
                SELECT site_id, user_id FROM named WHERE session_id IS NULL AND user_id IS NOT NULL
            )
            WINDOW so_far AS (PARTITION BY site_id, user_id ORDER BY timestamp, received_at, toUInt128(event_id))
        ), stretches AS (
            SELECT *, sum(starts_visit) OVER (PARTITION BY site_id, user_id
                                              ORDER BY timestamp, received_at, toUInt128(event_id)
                                              ROWS UNBOUNDED PRECEDING) AS visit
            FROM starts
        ), around AS (
            SELECT *,
                   anyLast(session_id) OVER so_far AS earlier_id,
                   anyLast(if(session_id IS NULL, NULL, visit)) OVER so_far AS earlier_visit,
                   any(session_id) OVER from_here AS later_id,
                   any(if(session_id IS NULL, NULL, visit)) OVER from_here AS later_visit
            FROM stretches
            WINDOW so_far AS (PARTITION BY site_id, user_id ORDER BY timestamp, received_at, toUInt128(event_id)
                              ROWS UNBOUNDED PRECEDING),
                   from_here AS (PARTITION BY site_id, user_id ORDER BY timestamp, received_at, toUInt128(event_id)
                                 ROWS BETWEEN CURRENT ROW AND UNBOUNDED FOLLOWING)
        ), attributed AS (
            SELECT site_id, user_id, timestamp, received_at, event_id, path, page, visit,
                   multiIf(earlier_visit = visit, earlier_id, later_visit = visit, later_id,
                           earlier_id = later_id, earlier_id, NULL) AS session_id
            FROM around WHERE around.session_id IS NULL
        )
        SELECT site_id, session_id, min(user_id) AS user_id, min(timestamp) AS started_at, max(timestamp) AS ended_at,
               toInt64(count()) AS events, toInt64(countIf(page = 1)) AS pages,
               argMin([path], (-page, timestamp, received_at, toUInt128(event_id))) AS entry,
               argMax([path], (page, timestamp, received_at, toUInt128(event_id))) AS exit
        FROM (
            SELECT site_id, session_id, user_id, timestamp, received_at, event_id, path, page
            FROM named WHERE session_id IS NOT NULL
            UNION ALL
            SELECT site_id, session_id, user_id, timestamp, received_at, event_id, path, page
            FROM attributed WHERE session_id IS NOT NULL
        ) AS of_sessions
        GROUP BY site_id, session_id
        UNION ALL
        SELECT site_id, NULL, user_id, min(timestamp), max(timestamp), toInt64(count()),
               toInt64(countIf(page = 1)),
               argMin([path], (-page, timestamp, received_at, toUInt128(event_id))),
               argMax([path], (page, timestamp, received_at, toUInt128(event_id)))
        FROM attributed WHERE session_id IS NULL
        GROUP BY site_id, user_id, visit
    ) AS made
)
SELECT count(*) AS "count(*)" FROM "tallystick_sql_sessions" AS "sessions"

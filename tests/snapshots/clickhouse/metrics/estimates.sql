WITH loose_events AS (
    SELECT
        user_id,
        timestamp,
        received_at,
        ingester,
        seq,
        line,
        name IN ({p1:String}, {p2:String}, {p3:String}) AS is_leave
    FROM events
    WHERE site_id = {p4:String}
        AND session_id IS NULL
        AND user_id IS NOT NULL
),
events_of_loose_users AS (
    SELECT
        user_id,
        timestamp,
        received_at,
        ingester,
        seq,
        line,
        NULL AS session_id,
        is_leave
    FROM loose_events
    UNION ALL
    SELECT
        user_id,
        timestamp,
        received_at,
        ingester,
        seq,
        line,
        session_id,
        FALSE
    FROM events
    WHERE site_id = {p4:String}
        AND session_id IS NOT NULL
        AND (user_id) IN (SELECT user_id
        FROM events
        WHERE site_id = {p4:String}
            AND session_id IS NULL
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
    WINDOW events_of_user AS (PARTITION BY user_id ORDER BY timestamp, received_at, ingester, seq, line)
),
stretches AS MATERIALIZED (
    SELECT
        *,
        sum(starts_visit) OVER (PARTITION BY user_id ORDER BY timestamp, received_at, ingester, seq, line ROWS UNBOUNDED PRECEDING) AS visit
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
        so_far AS (PARTITION BY user_id ORDER BY timestamp, received_at, ingester, seq, line ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW),
        from_here AS (PARTITION BY user_id ORDER BY timestamp, received_at, ingester, seq, line ROWS BETWEEN CURRENT ROW AND UNBOUNDED FOLLOWING)
),
attributed_events AS (
    SELECT
        user_id,
        timestamp,
        received_at,
        ingester,
        seq,
        line,
        visit,
        CASE
            WHEN earlier_visit = visit THEN earlier_session
            WHEN later_visit = visit THEN later_session
            WHEN earlier_session = later_session THEN earlier_session
        END AS session_id
    FROM stretches_with_sessions_around AS around
    WHERE around.session_id IS NULL
),
visits_of_loose_events AS NOT MATERIALIZED (
    SELECT
        ingester AS of_ingester,
        seq AS of_seq,
        line AS of_line,
        coalesce(session_id, char(31) || CAST(user_id AS String) || char(31) || visit) AS loose_visit
    FROM attributed_events
),
scoped AS (
    SELECT
        name AS dim_0,
        user_id,
        coalesce(loose_visit, session_id) AS visit
    FROM events
    LEFT JOIN visits_of_loose_events ON of_ingester = events.ingester AND of_seq = events.seq AND of_line = events.line
    WHERE site_id = {p4:String}
)
SELECT
    dim_0,
    uniq(user_id) AS metric_0,
    uniq(visit) AS metric_1,
    CAST(count(user_id) AS DOUBLE PRECISION) / nullif(uniq(user_id), 0) AS metric_2
FROM scoped
GROUP BY dim_0
ORDER BY dim_0 NULLS LAST
LIMIT 10001

-- $1: 'page_leave'
-- $2: '$pageleave'
-- $3: 'pageleave'
-- $4: 'default'

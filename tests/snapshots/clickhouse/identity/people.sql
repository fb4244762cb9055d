WITH page AS MATERIALIZED (
    SELECT
        user_id,
        max(timestamp) AS last_seen,
        min(timestamp) AS first_seen,
        count(*) AS events
    FROM (
        SELECT site_id, event_id, name, timestamp, received_at, session_id, source, path, properties, readable, origin, events.ingester, events.seq, events.line, coalesce(person_id, user_id) AS user_id, user_id AS sent_id
        FROM events
        LEFT JOIN (
            SELECT user_id AS of_id, person_id
            FROM identities
            WHERE site_id = {p1:String}
        ) AS ids ON of_id = user_id
    ) AS events
    WHERE site_id = {p1:String}
        AND user_id IS NOT NULL
    GROUP BY user_id
    HAVING (max(position(lowerUTF8(user_id), lowerUTF8({p2:String})) > 0 OR position(lowerUTF8(sent_id), lowerUTF8({p2:String})) > 0))
    ORDER BY last_seen DESC, user_id DESC
    LIMIT 101
),
loose_events AS (
    SELECT
        user_id,
        timestamp,
        received_at,
        ingester,
        seq,
        line,
        name IN ({p3:String}, {p4:String}, {p5:String}) AS is_leave
    FROM (
        SELECT site_id, event_id, name, timestamp, received_at, session_id, source, path, properties, readable, origin, events.ingester, events.seq, events.line, coalesce(person_id, user_id) AS user_id, user_id AS sent_id
        FROM events
        LEFT JOIN (
            SELECT user_id AS of_id, person_id
            FROM identities
            WHERE site_id = {p1:String}
        ) AS ids ON of_id = user_id
    ) AS events
    WHERE site_id = {p1:String}
        AND session_id IS NULL
        AND user_id IS NOT NULL
        AND user_id IN (SELECT user_id FROM page)
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
    FROM (
        SELECT site_id, event_id, name, timestamp, received_at, session_id, source, path, properties, readable, origin, events.ingester, events.seq, events.line, coalesce(person_id, user_id) AS user_id, user_id AS sent_id
        FROM events
        LEFT JOIN (
            SELECT user_id AS of_id, person_id
            FROM identities
            WHERE site_id = {p1:String}
        ) AS ids ON of_id = user_id
    ) AS events
    WHERE site_id = {p1:String}
        AND session_id IS NOT NULL
        AND (user_id) IN (SELECT user_id
        FROM (
            SELECT site_id, event_id, name, timestamp, received_at, session_id, source, path, properties, readable, origin, events.ingester, events.seq, events.line, coalesce(person_id, user_id) AS user_id, user_id AS sent_id
            FROM events
            LEFT JOIN (
                SELECT user_id AS of_id, person_id
                FROM identities
                WHERE site_id = {p1:String}
            ) AS ids ON of_id = user_id
        ) AS events
        WHERE site_id = {p1:String}
            AND session_id IS NULL
            AND user_id IS NOT NULL
            AND user_id IN (SELECT user_id FROM page))
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
sessions_of_users AS (
    SELECT user_id, count(DISTINCT coalesce(loose_visit, session_id)) AS sessions
    FROM (
        SELECT site_id, event_id, name, timestamp, received_at, session_id, source, path, properties, readable, origin, events.ingester, events.seq, events.line, coalesce(person_id, user_id) AS user_id, user_id AS sent_id
        FROM events
        LEFT JOIN (
            SELECT user_id AS of_id, person_id
            FROM identities
            WHERE site_id = {p1:String}
        ) AS ids ON of_id = user_id
    ) AS events
    LEFT JOIN visits_of_loose_events ON of_ingester = events.ingester AND of_seq = events.seq AND of_line = events.line
    WHERE site_id = {p1:String}
        AND user_id IS NOT NULL
        AND user_id IN (SELECT user_id FROM page)
    GROUP BY user_id
)
SELECT page.user_id, toUnixTimestamp64Micro(first_seen), toUnixTimestamp64Micro(last_seen), events, sessions
FROM page JOIN sessions_of_users ON sessions_of_users.user_id = page.user_id
ORDER BY page.last_seen DESC, page.user_id DESC

-- $1: 'default'
-- $2: 'An'
-- $3: 'page_leave'
-- $4: '$pageleave'
-- $5: 'pageleave'

WITH codes AS MATERIALIZED (
    SELECT node, CAST(row_number() OVER (ORDER BY node) AS INTEGER) AS code
    FROM (
        SELECT DISTINCT node
        FROM (
            SELECT name AS node, source = {p2:String} AS matches
            FROM events
        ) AS step_events
        WHERE node IS NOT NULL
            AND matches
    ) AS nodes
),
loose_events AS (
    SELECT
        site_id,
        user_id,
        timestamp,
        received_at,
        ingester,
        seq,
        line,
        name IN ({p3:String}, {p4:String}, {p5:String}) AS is_leave,
        name AS node,
        source = {p2:String} AS matches
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
        node,
        matches
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
        node,
        matches,
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
        name AS node,
        source = {p2:String} AS matches
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
        node,
        matches
    FROM attributed_events
    WHERE session_id IS NOT NULL
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
        node,
        matches
    FROM attributed_events
    WHERE session_id IS NULL
),
session_steps AS (
    SELECT assumeNotNull(cityHash64(site_id, session_id, 0)) AS session_key, timestamp, received_at, ingester, seq, line, if(node = {p1:String}, -code, code) AS code
    FROM events_of_sessions
    JOIN codes USING (node)
    WHERE node IS NOT NULL
        AND matches
    UNION ALL
    SELECT assumeNotNull(cityHash64(site_id, user_id, visit)) AS session_key, timestamp, received_at, ingester, seq, line, if(node = {p1:String}, -code, code) AS code
    FROM events_of_visits
    JOIN codes USING (node)
    WHERE node IS NOT NULL
        AND matches
),
trails AS (
    SELECT arraySort((code, place) -> place, groupArray(toInt32(code)), groupArray((
        toUInt128(toUnixTimestamp64Micro(timestamp)) * toUInt128('37778931862957161709568')
            + toUInt128(least(greatest(toUnixTimestamp64Micro(received_at) - toUnixTimestamp64Micro(timestamp) + 137438953472, 0), 1125899906842623)) * 33554432
            + toUInt64(bitAnd(seq, 31) * 1048576 + least(line, 1048575))
    ))) AS trail
    FROM session_steps
    GROUP BY session_key
),
step_counts AS MATERIALIZED (
    SELECT step, previous_code, code, toInt64(count()) AS sessions
    FROM (
        SELECT
            abs(trail[position]) AS code,
            if(position > 1, abs(trail[position - 1]), 0) AS previous_code,
            step
        FROM (
            SELECT trail, toInt64(arrayFirstIndex(code -> code < 0, trail)) AS begin
            FROM trails
        ) AS begun
        ARRAY JOIN arrayMap(back -> begin - back, range(0, least(begin, 4))) AS position, arrayEnumerate(arrayMap(back -> begin - back, range(0, least(begin, 4)))) AS step
        WHERE begin > 0
    ) AS steps
    GROUP BY step, previous_code, code
),
edges AS (
    SELECT step, nullif(previous_code, 0) AS source, code AS target, sessions
    FROM step_counts
),
ranked_edges AS (
    SELECT
        *,
        row_number() OVER (
            PARTITION BY step ORDER BY sessions DESC, source NULLS LAST, target NULLS LAST
        ) AS rank
    FROM edges
),
kept_edges AS (
    SELECT
        step,
        CASE WHEN rank <= 20 THEN source END AS kept_source,
        CASE WHEN rank <= 20 THEN target END AS kept_target,
        toInt64(sum(sessions)) AS sessions,
        rank > 20 AS other
    FROM ranked_edges
    GROUP BY step, kept_source, kept_target, other
)
SELECT step, sources.node, targets.node, sessions, other
FROM kept_edges
LEFT JOIN codes AS sources ON sources.code = kept_source
LEFT JOIN codes AS targets ON targets.code = kept_target
ORDER BY step, other, sessions DESC, kept_source NULLS LAST, kept_target NULLS LAST

-- $1: 'buy'
-- $2: 'web'
-- $3: 'page_leave'
-- $4: '$pageleave'
-- $5: 'pageleave'

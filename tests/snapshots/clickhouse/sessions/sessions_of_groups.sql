WITH loose_events AS (
    SELECT
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
    WHERE site_id = {p7:String}
        AND timestamp >= {p8:DateTime64(6, 'UTC')}
        AND timestamp < {p9:DateTime64(6, 'UTC')}
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
        is_leave,
        page,
        text_0
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
        FALSE,
        NULL,
        NULL
    FROM events
    WHERE site_id = {p7:String}
        AND timestamp >= {p8:DateTime64(6, 'UTC')}
        AND timestamp < {p9:DateTime64(6, 'UTC')}
        AND session_id IS NOT NULL
        AND (user_id) IN (SELECT user_id
        FROM events
        WHERE site_id = {p7:String}
            AND timestamp >= {p8:DateTime64(6, 'UTC')}
            AND timestamp < {p9:DateTime64(6, 'UTC')}
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
        session_id,
        timestamp,
        received_at,
        ingester,
        seq,
        line,
        CASE WHEN name IN ({p1:String}, {p2:String}, {p3:String}) THEN 1 ELSE 0 END AS page,
        path AS text_0
    FROM events
    WHERE site_id = {p7:String}
        AND timestamp >= {p8:DateTime64(6, 'UTC')}
        AND timestamp < {p9:DateTime64(6, 'UTC')}
        AND session_id IS NOT NULL
    UNION ALL
    SELECT
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
        min(timestamp) AS started,
        toUnixTimestamp64Micro(max(timestamp)) - toUnixTimestamp64Micro(min(timestamp)) AS duration,
        count(*) AS events,
        count(*) FILTER (WHERE page = 1) AS pages,
        argMin(ifNull(concat('=', text_0), ''), (
            toUInt128(toUnixTimestamp64Micro(timestamp)) * toUInt128('37778931862957161709568')
                + toUInt128(least(greatest(toUnixTimestamp64Micro(received_at) - toUnixTimestamp64Micro(timestamp) + 137438953472, 0), 1125899906842623)) * 33554432
                + toUInt64(bitAnd(seq, 31) * 1048576 + least(line, 1048575))
        ) + toUInt128(1 - page) * toUInt128('170141183460469231731687303715884105728')) AS entry_event
    FROM events_of_sessions
    GROUP BY session_id
    HAVING min(timestamp) >= {p10:DateTime64(6, 'UTC')}
        AND min(timestamp) < {p11:DateTime64(6, 'UTC')}
),
events_of_visits AS NOT MATERIALIZED (
    SELECT
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
        min(timestamp) AS started,
        toUnixTimestamp64Micro(max(timestamp)) - toUnixTimestamp64Micro(min(timestamp)) AS duration,
        count(*) AS events,
        count(*) FILTER (WHERE page = 1) AS pages,
        argMin(ifNull(concat('=', text_0), ''), (
            toUInt128(toUnixTimestamp64Micro(timestamp)) * toUInt128('37778931862957161709568')
                + toUInt128(least(greatest(toUnixTimestamp64Micro(received_at) - toUnixTimestamp64Micro(timestamp) + 137438953472, 0), 1125899906842623)) * 33554432
                + toUInt64(bitAnd(seq, 31) * 1048576 + least(line, 1048575))
        ) + toUInt128(1 - page) * toUInt128('170141183460469231731687303715884105728')) AS entry_event
    FROM events_of_visits
    GROUP BY user_id, visit
    HAVING min(timestamp) >= {p10:DateTime64(6, 'UTC')}
        AND min(timestamp) < {p11:DateTime64(6, 'UTC')}
),
sessions AS (
    SELECT
        duration,
        events,
        pages,
        arrayMap(text -> if(text = '', NULL, substring(text, 2)), [splitByChar('\0', entry_event)[1]])[1] AS dim_0
    FROM (
        SELECT * FROM sessions_with_id
        UNION ALL
        SELECT * FROM visits
    ) AS computed_sessions
),
top_groups AS (
    SELECT dim_0, rank
    FROM (VALUES ({p12:String}, 1), (CAST(NULL AS VARCHAR), 2)) AS given_groups(dim_0, rank)
)
SELECT
    top_groups.dim_0,
    count(*) AS metric_0,
    CAST(count(*) FILTER (WHERE pages = 1) AS DOUBLE PRECISION) / nullif(count(*) FILTER (WHERE pages > 0), 0) AS metric_1,
    arrayMap(
        (sorted, place) -> if(
            empty(sorted),
            NULL,
            sorted[toInt64(floor(place)) + 1]
                + (sorted[toInt64(ceil(place)) + 1] - sorted[toInt64(floor(place)) + 1]) * (place - floor(place))
        ),
        [arraySort(groupArray(CAST(duration AS DOUBLE PRECISION)))],
        [0.5 * (toInt64(count(CAST(duration AS DOUBLE PRECISION))) - 1)]
    )[1] / 1000000 AS metric_2,
    CAST(sum(pages) AS DOUBLE PRECISION) / nullif(count(*), 0) AS metric_3
FROM sessions JOIN top_groups ON sessions.dim_0 IS NOT DISTINCT FROM top_groups.dim_0
GROUP BY rank, top_groups.dim_0
ORDER BY rank NULLS LAST
LIMIT 100001

-- $1: 'page_view'
-- $2: '$pageview'
-- $3: 'pageview'
-- $4: 'page_leave'
-- $5: '$pageleave'
-- $6: 'pageleave'
-- $7: 'default'
-- $8: datetime.datetime(2025, 4, 30, 0, 0, tzinfo=datetime.timezone.utc)
-- $9: datetime.datetime(2025, 6, 2, 0, 0, tzinfo=datetime.timezone.utc)
-- $10: datetime.datetime(2025, 5, 1, 0, 0, tzinfo=datetime.timezone.utc)
-- $11: datetime.datetime(2025, 6, 1, 0, 0, tzinfo=datetime.timezone.utc)
-- $12: '/a'

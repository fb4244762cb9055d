WITH loose_events AS (
    SELECT
        user_id,
        timestamp,
        received_at,
        ctid,
        name IN (CAST($4 AS text), CAST($5 AS text), CAST($6 AS text)) AS is_leave,
        CASE WHEN name IN (CAST($1 AS text), CAST($2 AS text), CAST($3 AS text)) THEN 1 ELSE 0 END AS page,
        path AS text_0
    FROM events
    WHERE site_id = CAST($7 AS text)
        AND timestamp >= CAST($8 AS timestamptz)
        AND timestamp < CAST($9 AS timestamptz)
        AND session_id IS NULL
        AND user_id IS NOT NULL
),
events_of_loose_users AS (
    SELECT
        user_id,
        timestamp,
        received_at,
        ctid,
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
        ctid,
        session_id,
        FALSE,
        NULL,
        NULL
    FROM events
    WHERE site_id = CAST($7 AS text)
        AND timestamp >= CAST($8 AS timestamptz)
        AND timestamp < CAST($9 AS timestamptz)
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
    WINDOW events_of_user AS (PARTITION BY user_id ORDER BY timestamp, received_at, ctid)
),
stretches AS MATERIALIZED (
    SELECT
        *,
        sum(starts_visit) OVER (PARTITION BY user_id ORDER BY timestamp, received_at, ctid ROWS UNBOUNDED PRECEDING) AS visit
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
        stretches.received_at,
        stretches.ctid,
        stretches.visit,
        stretches.page,
        stretches.text_0,
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
indexed_sessions AS NOT MATERIALIZED (
    SELECT
        rows.site_id,
        rows.session_id,
        rows.started,
        rows.ended,
        rows.duration,
        rows.events,
        rows.pages,
        rows.leaves,
        entry_paths.path AS entry_path
    FROM session_index AS rows
    LEFT JOIN session_paths AS entry_paths ON entry_paths.path_id = rows.entry_path
),
joined_sessions AS MATERIALIZED (
    SELECT DISTINCT session_id
    FROM attributed_events
    WHERE session_id IS NOT NULL
),
long_sessions AS MATERIALIZED (
    SELECT session_id FROM joined_sessions
    UNION ALL
    SELECT session_id
    FROM indexed_sessions
    WHERE site_id = CAST($7 AS text)
        AND ended - started >= INTERVAL '24 hours'
        AND ((started < CAST($8 AS timestamptz) AND ended >= CAST($10 AS timestamptz)) OR (started < CAST($11 AS timestamptz) AND ended >= CAST($9 AS timestamptz)))
),
indexed_counts AS NOT MATERIALIZED (
    SELECT
        site_id,
        hour,
        viewed,
        bot,
        sessions,
        one_page,
        one_event,
        duration,
        pages,
        events,
        lasting_0,
        lasting_1,
        lasting_2,
        lasting_3,
        lasting_4,
        lasting_5,
        lasting_6,
        lasting_7,
        lasting_8,
        lasting_9,
        lasting_10,
        lasting_11,
        lasting_12,
        lasting_13,
        lasting_14,
        lasting_15,
        lasting_16,
        lasting_17,
        lasting_18,
        lasting_19,
        lasting_20,
        lasting_21,
        lasting_22,
        lasting_23,
        lasting_24,
        lasting_25,
        lasting_26,
        lasting_27,
        lasting_28,
        lasting_29,
        lasting_30,
        lasting_31,
        entry_paths.path AS entry_path
    FROM (SELECT site_id, hour, kind, value, viewed, bot, sessions, one_page, one_event, duration, pages, events, lasting_0, lasting_1, lasting_2, lasting_3, lasting_4, lasting_5, lasting_6, lasting_7, lasting_8, lasting_9, lasting_10, lasting_11, lasting_12, lasting_13, lasting_14, lasting_15, lasting_16, lasting_17, lasting_18, lasting_19, lasting_20, lasting_21, lasting_22, lasting_23, lasting_24, lasting_25, lasting_26, lasting_27, lasting_28, lasting_29, lasting_30, lasting_31 FROM session_counts) AS counts
    LEFT JOIN session_paths AS entry_paths ON entry_paths.path_id = counts.value
    WHERE kind = 1
),
events_of_sessions AS NOT MATERIALIZED (
    SELECT
        session_id,
        timestamp,
        received_at,
        ctid,
        CASE WHEN name IN (CAST($1 AS text), CAST($2 AS text), CAST($3 AS text)) THEN 1 ELSE 0 END AS page,
        path AS text_0
    FROM events
    WHERE site_id = CAST($7 AS text)
        AND timestamp >= CAST($8 AS timestamptz)
        AND timestamp < CAST($9 AS timestamptz)
        AND session_id IS NOT NULL
        AND EXISTS (SELECT FROM long_sessions)
        AND (session_id) IN (SELECT session_id FROM long_sessions)
    UNION ALL
    SELECT
        session_id,
        timestamp,
        received_at,
        ctid,
        page,
        text_0
    FROM attributed_events
    WHERE session_id IS NOT NULL
),
sessions_with_id AS NOT MATERIALIZED (
    SELECT
        min(timestamp) AS started,
        CAST(extract(epoch FROM max(timestamp)) * 1000000 AS bigint) - CAST(extract(epoch FROM min(timestamp)) * 1000000 AS bigint) AS duration,
        count(*) AS events,
        count(*) FILTER (WHERE page = 1) AS pages,
        (array_agg(ARRAY[text_0] ORDER BY page DESC, timestamp, received_at, ctid))[1:1] AS entry_event
    FROM events_of_sessions
    GROUP BY session_id
    HAVING min(timestamp) >= CAST($10 AS timestamptz)
        AND min(timestamp) < CAST($11 AS timestamptz)
),
events_of_visits AS NOT MATERIALIZED (
    SELECT
        user_id,
        visit,
        timestamp,
        received_at,
        ctid,
        page,
        text_0
    FROM attributed_events
    WHERE session_id IS NULL
),
visits AS NOT MATERIALIZED (
    SELECT
        min(timestamp) AS started,
        CAST(extract(epoch FROM max(timestamp)) * 1000000 AS bigint) - CAST(extract(epoch FROM min(timestamp)) * 1000000 AS bigint) AS duration,
        count(*) AS events,
        count(*) FILTER (WHERE page = 1) AS pages,
        (array_agg(ARRAY[text_0] ORDER BY page DESC, timestamp, received_at, ctid))[1:1] AS entry_event
    FROM events_of_visits
    GROUP BY user_id, visit
    HAVING min(timestamp) >= CAST($10 AS timestamptz)
        AND min(timestamp) < CAST($11 AS timestamptz)
),
sessions AS (
    SELECT
        sessions,
        CASE WHEN viewed THEN sessions ELSE 0 END AS viewed,
        one_page AS bounced,
        duration,
        pages,
        events,
        lasting_0,
        lasting_1,
        lasting_2,
        lasting_3,
        lasting_4,
        lasting_5,
        lasting_6,
        lasting_7,
        lasting_8,
        lasting_9,
        lasting_10,
        lasting_11,
        lasting_12,
        lasting_13,
        lasting_14,
        lasting_15,
        lasting_16,
        lasting_17,
        lasting_18,
        lasting_19,
        lasting_20,
        lasting_21,
        lasting_22,
        lasting_23,
        lasting_24,
        lasting_25,
        lasting_26,
        lasting_27,
        lasting_28,
        lasting_29,
        lasting_30,
        lasting_31,
        entry_path AS dim_0
    FROM indexed_counts
    WHERE site_id = CAST($7 AS text)
        AND hour >= CAST($10 AS timestamptz)
        AND hour < CAST($11 AS timestamptz)
    UNION ALL
    SELECT
        -(1) AS sessions,
        -(CASE WHEN pages > 0 THEN 1 ELSE 0 END) AS viewed,
        -(CASE WHEN pages = 1 THEN 1 ELSE 0 END) AS bounced,
        -(duration) AS duration,
        -(pages) AS pages,
        -(events) AS events,
        -(CASE WHEN duration >= 0 AND duration < 1 THEN 1 ELSE 0 END) AS lasting_0,
        -(CASE WHEN duration >= 1 AND duration < 1000000 THEN 1 ELSE 0 END) AS lasting_1,
        -(CASE WHEN duration >= 1000000 AND duration < 5000000 THEN 1 ELSE 0 END) AS lasting_2,
        -(CASE WHEN duration >= 5000000 AND duration < 10000000 THEN 1 ELSE 0 END) AS lasting_3,
        -(CASE WHEN duration >= 10000000 AND duration < 20000000 THEN 1 ELSE 0 END) AS lasting_4,
        -(CASE WHEN duration >= 20000000 AND duration < 30000000 THEN 1 ELSE 0 END) AS lasting_5,
        -(CASE WHEN duration >= 30000000 AND duration < 45000000 THEN 1 ELSE 0 END) AS lasting_6,
        -(CASE WHEN duration >= 45000000 AND duration < 60000000 THEN 1 ELSE 0 END) AS lasting_7,
        -(CASE WHEN duration >= 60000000 AND duration < 80000000 THEN 1 ELSE 0 END) AS lasting_8,
        -(CASE WHEN duration >= 80000000 AND duration < 100000000 THEN 1 ELSE 0 END) AS lasting_9,
        -(CASE WHEN duration >= 100000000 AND duration < 120000000 THEN 1 ELSE 0 END) AS lasting_10,
        -(CASE WHEN duration >= 120000000 AND duration < 150000000 THEN 1 ELSE 0 END) AS lasting_11,
        -(CASE WHEN duration >= 150000000 AND duration < 180000000 THEN 1 ELSE 0 END) AS lasting_12,
        -(CASE WHEN duration >= 180000000 AND duration < 210000000 THEN 1 ELSE 0 END) AS lasting_13,
        -(CASE WHEN duration >= 210000000 AND duration < 240000000 THEN 1 ELSE 0 END) AS lasting_14,
        -(CASE WHEN duration >= 240000000 AND duration < 270000000 THEN 1 ELSE 0 END) AS lasting_15,
        -(CASE WHEN duration >= 270000000 AND duration < 300000000 THEN 1 ELSE 0 END) AS lasting_16,
        -(CASE WHEN duration >= 300000000 AND duration < 330000000 THEN 1 ELSE 0 END) AS lasting_17,
        -(CASE WHEN duration >= 330000000 AND duration < 360000000 THEN 1 ELSE 0 END) AS lasting_18,
        -(CASE WHEN duration >= 360000000 AND duration < 400000000 THEN 1 ELSE 0 END) AS lasting_19,
        -(CASE WHEN duration >= 400000000 AND duration < 440000000 THEN 1 ELSE 0 END) AS lasting_20,
        -(CASE WHEN duration >= 440000000 AND duration < 480000000 THEN 1 ELSE 0 END) AS lasting_21,
        -(CASE WHEN duration >= 480000000 AND duration < 540000000 THEN 1 ELSE 0 END) AS lasting_22,
        -(CASE WHEN duration >= 540000000 AND duration < 600000000 THEN 1 ELSE 0 END) AS lasting_23,
        -(CASE WHEN duration >= 600000000 AND duration < 720000000 THEN 1 ELSE 0 END) AS lasting_24,
        -(CASE WHEN duration >= 720000000 AND duration < 900000000 THEN 1 ELSE 0 END) AS lasting_25,
        -(CASE WHEN duration >= 900000000 AND duration < 1200000000 THEN 1 ELSE 0 END) AS lasting_26,
        -(CASE WHEN duration >= 1200000000 AND duration < 1500000000 THEN 1 ELSE 0 END) AS lasting_27,
        -(CASE WHEN duration >= 1500000000 AND duration < 1800000000 THEN 1 ELSE 0 END) AS lasting_28,
        -(CASE WHEN duration >= 1800000000 AND duration < 2700000000 THEN 1 ELSE 0 END) AS lasting_29,
        -(CASE WHEN duration >= 2700000000 AND duration < 3600000000 THEN 1 ELSE 0 END) AS lasting_30,
        -(CASE WHEN duration >= 3600000000 THEN 1 ELSE 0 END) AS lasting_31,
        dim_0
    FROM (
        SELECT
            duration,
            events,
            pages,
            entry_path AS dim_0
        FROM (
            SELECT DISTINCT session_id
            FROM long_sessions
        ) AS long_keys
        JOIN (SELECT * FROM indexed_sessions WHERE site_id = CAST($7 AS text)) AS indexed_sessions USING (session_id)
        WHERE started >= CAST($10 AS timestamptz)
            AND started < CAST($11 AS timestamptz)
    ) AS single_sessions
    UNION ALL
    SELECT
        1 AS sessions,
        CASE WHEN pages > 0 THEN 1 ELSE 0 END AS viewed,
        CASE WHEN pages = 1 THEN 1 ELSE 0 END AS bounced,
        duration AS duration,
        pages AS pages,
        events AS events,
        CASE WHEN duration >= 0 AND duration < 1 THEN 1 ELSE 0 END AS lasting_0,
        CASE WHEN duration >= 1 AND duration < 1000000 THEN 1 ELSE 0 END AS lasting_1,
        CASE WHEN duration >= 1000000 AND duration < 5000000 THEN 1 ELSE 0 END AS lasting_2,
        CASE WHEN duration >= 5000000 AND duration < 10000000 THEN 1 ELSE 0 END AS lasting_3,
        CASE WHEN duration >= 10000000 AND duration < 20000000 THEN 1 ELSE 0 END AS lasting_4,
        CASE WHEN duration >= 20000000 AND duration < 30000000 THEN 1 ELSE 0 END AS lasting_5,
        CASE WHEN duration >= 30000000 AND duration < 45000000 THEN 1 ELSE 0 END AS lasting_6,
        CASE WHEN duration >= 45000000 AND duration < 60000000 THEN 1 ELSE 0 END AS lasting_7,
        CASE WHEN duration >= 60000000 AND duration < 80000000 THEN 1 ELSE 0 END AS lasting_8,
        CASE WHEN duration >= 80000000 AND duration < 100000000 THEN 1 ELSE 0 END AS lasting_9,
        CASE WHEN duration >= 100000000 AND duration < 120000000 THEN 1 ELSE 0 END AS lasting_10,
        CASE WHEN duration >= 120000000 AND duration < 150000000 THEN 1 ELSE 0 END AS lasting_11,
        CASE WHEN duration >= 150000000 AND duration < 180000000 THEN 1 ELSE 0 END AS lasting_12,
        CASE WHEN duration >= 180000000 AND duration < 210000000 THEN 1 ELSE 0 END AS lasting_13,
        CASE WHEN duration >= 210000000 AND duration < 240000000 THEN 1 ELSE 0 END AS lasting_14,
        CASE WHEN duration >= 240000000 AND duration < 270000000 THEN 1 ELSE 0 END AS lasting_15,
        CASE WHEN duration >= 270000000 AND duration < 300000000 THEN 1 ELSE 0 END AS lasting_16,
        CASE WHEN duration >= 300000000 AND duration < 330000000 THEN 1 ELSE 0 END AS lasting_17,
        CASE WHEN duration >= 330000000 AND duration < 360000000 THEN 1 ELSE 0 END AS lasting_18,
        CASE WHEN duration >= 360000000 AND duration < 400000000 THEN 1 ELSE 0 END AS lasting_19,
        CASE WHEN duration >= 400000000 AND duration < 440000000 THEN 1 ELSE 0 END AS lasting_20,
        CASE WHEN duration >= 440000000 AND duration < 480000000 THEN 1 ELSE 0 END AS lasting_21,
        CASE WHEN duration >= 480000000 AND duration < 540000000 THEN 1 ELSE 0 END AS lasting_22,
        CASE WHEN duration >= 540000000 AND duration < 600000000 THEN 1 ELSE 0 END AS lasting_23,
        CASE WHEN duration >= 600000000 AND duration < 720000000 THEN 1 ELSE 0 END AS lasting_24,
        CASE WHEN duration >= 720000000 AND duration < 900000000 THEN 1 ELSE 0 END AS lasting_25,
        CASE WHEN duration >= 900000000 AND duration < 1200000000 THEN 1 ELSE 0 END AS lasting_26,
        CASE WHEN duration >= 1200000000 AND duration < 1500000000 THEN 1 ELSE 0 END AS lasting_27,
        CASE WHEN duration >= 1500000000 AND duration < 1800000000 THEN 1 ELSE 0 END AS lasting_28,
        CASE WHEN duration >= 1800000000 AND duration < 2700000000 THEN 1 ELSE 0 END AS lasting_29,
        CASE WHEN duration >= 2700000000 AND duration < 3600000000 THEN 1 ELSE 0 END AS lasting_30,
        CASE WHEN duration >= 3600000000 THEN 1 ELSE 0 END AS lasting_31,
        dim_0
    FROM (
        SELECT
            duration,
            events,
            pages,
            entry_event[1][1] AS dim_0
        FROM (
            SELECT * FROM sessions_with_id
            UNION ALL
            SELECT * FROM visits
        ) AS computed_sessions
    ) AS single_sessions
),
counted_groups AS MATERIALIZED (
    SELECT
        dim_0,
        coalesce(CAST(sum(sessions) AS BIGINT), 0) AS metric_0,
        row_number() OVER (ORDER BY sum(sessions) DESC, dim_0 NULLS LAST) AS group_number,
        coalesce(CAST(sum(sessions) AS BIGINT), 0) AS total,
        CAST(sum(lasting_0) AS BIGINT) AS lasting_0,
        CAST(sum(lasting_1) AS BIGINT) AS lasting_1,
        CAST(sum(lasting_2) AS BIGINT) AS lasting_2,
        CAST(sum(lasting_3) AS BIGINT) AS lasting_3,
        CAST(sum(lasting_4) AS BIGINT) AS lasting_4,
        CAST(sum(lasting_5) AS BIGINT) AS lasting_5,
        CAST(sum(lasting_6) AS BIGINT) AS lasting_6,
        CAST(sum(lasting_7) AS BIGINT) AS lasting_7,
        CAST(sum(lasting_8) AS BIGINT) AS lasting_8,
        CAST(sum(lasting_9) AS BIGINT) AS lasting_9,
        CAST(sum(lasting_10) AS BIGINT) AS lasting_10,
        CAST(sum(lasting_11) AS BIGINT) AS lasting_11,
        CAST(sum(lasting_12) AS BIGINT) AS lasting_12,
        CAST(sum(lasting_13) AS BIGINT) AS lasting_13,
        CAST(sum(lasting_14) AS BIGINT) AS lasting_14,
        CAST(sum(lasting_15) AS BIGINT) AS lasting_15,
        CAST(sum(lasting_16) AS BIGINT) AS lasting_16,
        CAST(sum(lasting_17) AS BIGINT) AS lasting_17,
        CAST(sum(lasting_18) AS BIGINT) AS lasting_18,
        CAST(sum(lasting_19) AS BIGINT) AS lasting_19,
        CAST(sum(lasting_20) AS BIGINT) AS lasting_20,
        CAST(sum(lasting_21) AS BIGINT) AS lasting_21,
        CAST(sum(lasting_22) AS BIGINT) AS lasting_22,
        CAST(sum(lasting_23) AS BIGINT) AS lasting_23,
        CAST(sum(lasting_24) AS BIGINT) AS lasting_24,
        CAST(sum(lasting_25) AS BIGINT) AS lasting_25,
        CAST(sum(lasting_26) AS BIGINT) AS lasting_26,
        CAST(sum(lasting_27) AS BIGINT) AS lasting_27,
        CAST(sum(lasting_28) AS BIGINT) AS lasting_28,
        CAST(sum(lasting_29) AS BIGINT) AS lasting_29,
        CAST(sum(lasting_30) AS BIGINT) AS lasting_30,
        CAST(sum(lasting_31) AS BIGINT) AS lasting_31
    FROM sessions
    GROUP BY dim_0
    HAVING sum(sessions) > 0
    ORDER BY group_number
    LIMIT 100
),
median_classes AS MATERIALIZED (
    SELECT
        group_number,
        lower,
        upper,
        (CAST(ARRAY[0, 1, 1000000, 5000000, 10000000, 20000000, 30000000, 45000000, 60000000, 80000000, 100000000, 120000000, 150000000, 180000000, 210000000, 240000000, 270000000, 300000000, 330000000, 360000000, 400000000, 440000000, 480000000, 540000000, 600000000, 720000000, 900000000, 1200000000, 1500000000, 1800000000, 2700000000, 3600000000] AS bigint[]))[min(class) FILTER (WHERE reached > lower)] AS least_duration,
        (CAST(ARRAY[1, 1000000, 5000000, 10000000, 20000000, 30000000, 45000000, 60000000, 80000000, 100000000, 120000000, 150000000, 180000000, 210000000, 240000000, 270000000, 300000000, 330000000, 360000000, 400000000, 440000000, 480000000, 540000000, 600000000, 720000000, 900000000, 1200000000, 1500000000, 1800000000, 2700000000, 3600000000, 9223372036854775807] AS bigint[]))[min(class) FILTER (WHERE reached > upper)] AS beyond_duration,
        coalesce(max(reached) FILTER (WHERE reached <= lower), 0) AS below
    FROM (
        SELECT
            group_number,
            (total - 1) / 2 AS lower,
            total / 2 AS upper,
            class,
            sum(sessions_of_class) OVER (PARTITION BY group_number ORDER BY class) AS reached
        FROM counted_groups
        CROSS JOIN LATERAL unnest(ARRAY[lasting_0, lasting_1, lasting_2, lasting_3, lasting_4, lasting_5, lasting_6, lasting_7, lasting_8, lasting_9, lasting_10, lasting_11, lasting_12, lasting_13, lasting_14, lasting_15, lasting_16, lasting_17, lasting_18, lasting_19, lasting_20, lasting_21, lasting_22, lasting_23, lasting_24, lasting_25, lasting_26, lasting_27, lasting_28, lasting_29, lasting_30, lasting_31]) WITH ORDINALITY AS classes (sessions_of_class, class)
    ) AS reached_classes
    GROUP BY group_number, lower, upper
),
sessions_near_medians AS MATERIALIZED (
    SELECT dim_0, duration
    FROM (
        SELECT
            duration,
            events,
            pages,
            entry_path AS dim_0
        FROM (SELECT * FROM indexed_sessions WHERE (session_id) NOT IN (SELECT session_id FROM joined_sessions)) AS indexed_sessions
        WHERE site_id = CAST($7 AS text)
            AND started >= CAST($10 AS timestamptz)
            AND started < CAST($11 AS timestamptz)
            AND ended < CAST($9 AS timestamptz)
        UNION ALL
        SELECT
            duration,
            events,
            pages,
            entry_event[1][1] AS dim_0
        FROM (
            SELECT * FROM sessions_with_id
            UNION ALL
            SELECT * FROM visits
        ) AS computed_sessions
    ) AS sessions_of_any_duration
    WHERE
        duration >= (SELECT min(least_duration) FROM median_classes)
        AND duration < (SELECT max(beyond_duration) FROM median_classes)
),
medians AS (
    SELECT
        group_number,
        CASE
            WHEN first_index = last_index THEN durations[first_index]
            ELSE durations[first_index] + 0.5 * (durations[last_index] - durations[first_index])
        END AS median
    FROM (
        SELECT
            group_number,
            CAST(lower - below + 1 AS integer) AS first_index,
            CAST(upper - below + 1 AS integer) AS last_index,
            array_agg(CAST(duration AS double precision) ORDER BY duration) AS durations
        FROM median_classes
        JOIN counted_groups USING (group_number)
        JOIN sessions_near_medians AS near ON coalesce(near.dim_0, '') = coalesce(counted_groups.dim_0, '') AND (near.dim_0 IS NULL) = (counted_groups.dim_0 IS NULL)
            AND near.duration >= least_duration
            AND near.duration < beyond_duration
        GROUP BY group_number, lower, upper, below
    ) AS sorted_groups
)
SELECT
    dim_0,
    metric_0,
    median / 1000000 AS metric_1
FROM counted_groups
LEFT JOIN medians USING (group_number)
ORDER BY group_number

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

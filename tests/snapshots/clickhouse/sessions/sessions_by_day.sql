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
        origin AS text_0,
        path AS text_1
    FROM events
    WHERE timestamp >= {p7:DateTime64(6, 'UTC')}
        AND timestamp < {p8:DateTime64(6, 'UTC')}
        AND session_id IS NULL
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
        text_0,
        text_1
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
        NULL,
        NULL
    FROM events
    WHERE timestamp >= {p7:DateTime64(6, 'UTC')}
        AND timestamp < {p8:DateTime64(6, 'UTC')}
        AND session_id IS NOT NULL
        AND (site_id, user_id) IN (SELECT site_id, user_id
        FROM events
        WHERE timestamp >= {p7:DateTime64(6, 'UTC')}
            AND timestamp < {p8:DateTime64(6, 'UTC')}
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
        text_1,
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
        origin AS text_0,
        path AS text_1
    FROM events
    WHERE timestamp >= {p7:DateTime64(6, 'UTC')}
        AND timestamp < {p8:DateTime64(6, 'UTC')}
        AND session_id IS NOT NULL
        AND (timestamp < toDateTime64('2025-05-01 00:00:00', 6, 'UTC') OR timestamp >= toDateTime64('2025-05-03 00:00:00', 6, 'UTC') AND timestamp < toDateTime64('2025-05-04 00:00:00', 6, 'UTC') OR timestamp >= toDateTime64('2025-05-05 00:00:00', 6, 'UTC') AND timestamp < toDateTime64('2025-05-31 00:00:00', 6, 'UTC') OR timestamp >= toDateTime64('2025-06-01 00:00:00', 6, 'UTC'))
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
        text_0,
        text_1
    FROM attributed_events
    WHERE session_id IS NOT NULL
),
parts_of_sessions AS NOT MATERIALIZED (
    SELECT
        session_key,
        first_at,
        last_at,
        events,
        pages,
        concat('=', entry_origin) AS entry_event,
        bitXor(entry_order, toUInt128(toUnixTimestamp64Micro(first_at)) * toUInt128('37778931862957161709568')) AS entry_order,
        exit_path AS exit_event,
        bitXor(exit_order, toUInt128(toUnixTimestamp64Micro(last_at)) * toUInt128('37778931862957161709568')) AS exit_order
    FROM session_parts
    WHERE build IN (10, 11, 12, 13)
    UNION ALL
    SELECT
        bitXor(reinterpretAsUInt128(sipHash128(assumeNotNull(session_id))), toUInt128(cityHash64(site_id))) AS session_key,
        timestamp AS first_at,
        timestamp AS last_at,
        1 AS events,
        page AS pages,
        ifNull(concat('=', text_0), '') AS entry_event,
        (
            toUInt128(toUnixTimestamp64Micro(timestamp)) * toUInt128('37778931862957161709568')
                + toUInt128(least(greatest(toUnixTimestamp64Micro(received_at) - toUnixTimestamp64Micro(timestamp) + 137438953472, 0), 1125899906842623)) * 33554432
                + toUInt64(bitAnd(seq, 31) * 1048576 + least(line, 1048575))
        ) + toUInt128(1 - page) * toUInt128('170141183460469231731687303715884105728') AS entry_order,
        ifNull(concat('=', text_1), '') AS exit_event,
        (
            toUInt128(toUnixTimestamp64Micro(timestamp)) * toUInt128('37778931862957161709568')
                + toUInt128(least(greatest(toUnixTimestamp64Micro(received_at) - toUnixTimestamp64Micro(timestamp) + 137438953472, 0), 1125899906842623)) * 33554432
                + toUInt64(bitAnd(seq, 31) * 1048576 + least(line, 1048575))
        ) + toUInt128(page) * toUInt128('170141183460469231731687303715884105728') AS exit_order
    FROM events_of_sessions
),
sessions_with_id AS NOT MATERIALIZED (
    SELECT
        min(first_at) AS started,
        toUnixTimestamp64Micro(max(last_at)) - toUnixTimestamp64Micro(min(first_at)) AS duration,
        sum(events) AS events,
        sum(pages) AS pages,
        argMin(entry_event, entry_order) AS entry_event,
        argMax(exit_event, exit_order) AS exit_event
    FROM parts_of_sessions
    GROUP BY session_key
    HAVING min(first_at) >= {p9:DateTime64(6, 'UTC')}
        AND min(first_at) < {p10:DateTime64(6, 'UTC')}
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
        text_0,
        text_1
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
        ) + toUInt128(1 - page) * toUInt128('170141183460469231731687303715884105728')) AS entry_event,
        argMax(ifNull(concat('=', text_1), ''), (
            toUInt128(toUnixTimestamp64Micro(timestamp)) * toUInt128('37778931862957161709568')
                + toUInt128(least(greatest(toUnixTimestamp64Micro(received_at) - toUnixTimestamp64Micro(timestamp) + 137438953472, 0), 1125899906842623)) * 33554432
                + toUInt64(bitAnd(seq, 31) * 1048576 + least(line, 1048575))
        ) + toUInt128(page) * toUInt128('170141183460469231731687303715884105728')) AS exit_event
    FROM events_of_visits
    GROUP BY site_id, user_id, visit
    HAVING min(timestamp) >= {p9:DateTime64(6, 'UTC')}
        AND min(timestamp) < {p10:DateTime64(6, 'UTC')}
),
sessions AS MATERIALIZED (
    SELECT
        duration,
        events,
        pages,
        CASE WHEN pages > 0 OR channel <> 'direct' THEN channel END AS dim_0,
        arrayMap(text -> if(text = '', NULL, substring(text, 2)), [splitByChar('\0', exit_event)[1]])[1] AS dim_1
    FROM (
        SELECT
            entry_event,
            channel,
            referring_site,
            duration,
            events,
            pages,
            exit_event
        FROM (
            SELECT
                *,
                CASE WHEN kind = 'internal' AND tag_source IS NULL THEN NULL ELSE external_referrer END AS referring_site,
                CASE
                    WHEN (tag_source = 'email' OR tag_source = 'e-mail' OR tag_source = 'e_mail' OR tag_source = 'e mail' OR tag_source = 'newsletter') OR (tag_medium = 'email' OR tag_medium = 'e-mail' OR tag_medium = 'e_mail' OR tag_medium = 'e mail' OR tag_medium = 'newsletter') THEN 'email'
                    WHEN kind = 'email' OR from_mail THEN 'email'
                    WHEN (tag_medium LIKE '%cp%' OR tag_medium LIKE 'paid%' OR (tag_medium = 'ppc' OR tag_medium = 'retargeting')) AND kind = 'shopping' THEN 'paid_shopping'
                    WHEN (tag_medium LIKE '%cp%' OR tag_medium LIKE 'paid%' OR (tag_medium = 'ppc' OR tag_medium = 'retargeting')) AND kind = 'search' THEN 'paid_search'
                    WHEN (tag_medium LIKE '%cp%' OR tag_medium LIKE 'paid%' OR (tag_medium = 'ppc' OR tag_medium = 'retargeting')) AND kind = 'social' THEN 'paid_social'
                    WHEN (tag_medium LIKE '%cp%' OR tag_medium LIKE 'paid%' OR (tag_medium = 'ppc' OR tag_medium = 'retargeting')) AND kind = 'video' THEN 'paid_video'
                    WHEN (tag_click = 'gclid' OR tag_click = 'gbraid' OR tag_click = 'wbraid' OR tag_click = 'msclkid' OR tag_click = 'yclid') THEN 'paid_search'
                    WHEN (tag_click = 'ttclid' OR tag_click = 'twclid' OR tag_click = 'li_fat_id') THEN 'paid_social'
                    WHEN (tag_medium = 'display' OR tag_medium = 'banner' OR tag_medium = 'expandable' OR tag_medium = 'interstitial' OR tag_medium = 'cpm') OR (tag_click = 'dclid') THEN 'display'
                    WHEN (tag_medium LIKE '%cp%' OR tag_medium LIKE 'paid%' OR (tag_medium = 'ppc' OR tag_medium = 'retargeting')) THEN 'paid_other'
                    WHEN (tag_medium = 'affiliate' OR tag_medium = 'affiliates') THEN 'affiliate'
                    WHEN tag_medium = 'audio' THEN 'audio'
                    WHEN tag_medium = 'sms' OR tag_source = 'sms' THEN 'sms'
                    WHEN tag_medium LIKE '%push' OR tag_medium LIKE '%notification%' OR tag_source = 'firebase' THEN 'push'
                    WHEN (tag_medium = 'ai' OR tag_medium = 'ai-assistant' OR tag_medium = 'ai_assistant' OR tag_medium = 'llm' OR tag_medium = 'chatbot') OR CASE WHEN tag_source IS NOT NULL OR tag_source IS NULL AND tag_medium IS NULL AND tag_campaign IS NULL THEN kind END = 'ai' THEN 'ai'
                    WHEN CASE WHEN tag_source IS NOT NULL OR tag_source IS NULL AND tag_medium IS NULL AND tag_campaign IS NULL THEN kind END = 'shopping' THEN 'shopping'
                    WHEN (tag_medium = 'social' OR tag_medium = 'social-network' OR tag_medium = 'social-media' OR tag_medium = 'sm' OR tag_medium = 'social network' OR tag_medium = 'social media') OR CASE WHEN tag_source IS NOT NULL OR tag_source IS NULL AND tag_medium IS NULL AND tag_campaign IS NULL THEN kind END = 'social' THEN 'social'
                    WHEN tag_medium LIKE '%video%' OR CASE WHEN tag_source IS NOT NULL OR tag_source IS NULL AND tag_medium IS NULL AND tag_campaign IS NULL THEN kind END = 'video' THEN 'video'
                    WHEN tag_medium = 'organic' OR CASE WHEN tag_source IS NOT NULL OR tag_source IS NULL AND tag_medium IS NULL AND tag_campaign IS NULL THEN kind END = 'search' THEN 'search'
                    WHEN (tag_medium = 'referral' OR tag_medium = 'app' OR tag_medium = 'link') THEN 'referral'
                    WHEN NOT (tag_source IS NULL AND tag_medium IS NULL AND tag_campaign IS NULL) OR tag_click <> 'fbclid' THEN 'campaign'
                    WHEN kind = 'internal' AND tag_source IS NULL THEN 'direct'
                    WHEN external_referrer IS NOT NULL THEN 'referral'
                    WHEN tag_click = 'fbclid' THEN 'social'
                    ELSE 'direct' END AS channel
            FROM (
                SELECT
                    placed.*,
                    coalesce(of_place.kind, CASE WHEN match(place, '^(?:web|w)?e?-?mail(?:business|er)?[0-9]*\.[^.]+\.|^lightmailer(?:-[a-z]+)?\.[^.]+\.|^deref-[a-z0-9-]+\.|^outlook\.(?:live|office|office365)\.|^com\.google\.android\.gm$') THEN 'email' END, parent_3.kind, parent_2.kind) AS kind
                FROM (
                    SELECT
                        *,
                        CASE WHEN referring_domain IS NULL OR right('.' || referring_host, length(own_host) + 1) = '.' || own_host OR right('.' || own_host, length(referring_host) + 1) = '.' || referring_host THEN NULL ELSE referring_domain END AS external_referrer,
                        coalesce(match(referring_host, '^(?:web|w)?e?-?mail(?:business|er)?[0-9]*\.[^.]+\.|^lightmailer(?:-[a-z]+)?\.[^.]+\.|^deref-[a-z0-9-]+\.|^outlook\.(?:live|office|office365)\.|^com\.google\.android\.gm$'), FALSE) AS from_mail,
                        coalesce(regexp_replace(regexp_replace(lowerUTF8(tag_source), ':[0-9]+$', ''), '^www\.', ''), CASE WHEN referring_domain IS NULL OR right('.' || referring_host, length(own_host) + 1) = '.' || own_host OR right('.' || own_host, length(referring_host) + 1) = '.' || referring_host THEN NULL ELSE referring_host END) AS place
                    FROM (
                        SELECT
                            *,
                            nullif(lowerUTF8(JSONExtract(ifNull(arrayMap(text -> if(text = '', NULL, substring(text, 2)), [splitByChar('\0', entry_event)[1]])[1], ''), 'Array(Nullable(String))')[1]), '') AS tag_source,
                            nullif(lowerUTF8(JSONExtract(ifNull(arrayMap(text -> if(text = '', NULL, substring(text, 2)), [splitByChar('\0', entry_event)[1]])[1], ''), 'Array(Nullable(String))')[2]), '') AS tag_medium,
                            nullif(JSONExtract(ifNull(arrayMap(text -> if(text = '', NULL, substring(text, 2)), [splitByChar('\0', entry_event)[1]])[1], ''), 'Array(Nullable(String))')[3], '') AS tag_campaign,
                            nullif(JSONExtract(ifNull(arrayMap(text -> if(text = '', NULL, substring(text, 2)), [splitByChar('\0', entry_event)[1]])[1], ''), 'Array(Nullable(String))')[4], '') AS tag_click,
                            nullif(nullif(JSONExtract(ifNull(arrayMap(text -> if(text = '', NULL, substring(text, 2)), [splitByChar('\0', entry_event)[1]])[1], ''), 'Array(Nullable(String))')[5], '$direct'), '') AS referring_domain,
                            nullif(regexp_replace(regexp_replace(lowerUTF8(JSONExtract(ifNull(arrayMap(text -> if(text = '', NULL, substring(text, 2)), [splitByChar('\0', entry_event)[1]])[1], ''), 'Array(Nullable(String))')[5]), ':[0-9]+$', ''), '^www\.', ''), '') AS referring_host,
                            nullif(regexp_replace(regexp_replace(lowerUTF8(JSONExtract(ifNull(arrayMap(text -> if(text = '', NULL, substring(text, 2)), [splitByChar('\0', entry_event)[1]])[1], ''), 'Array(Nullable(String))')[6]), ':[0-9]+$', ''), '^www\.', ''), '') AS own_host
                        FROM (
                            SELECT
                                entry_event,
                                groupArray(duration) AS duration,
                                groupArray(events) AS events,
                                groupArray(pages) AS pages,
                                groupArray(exit_event) AS exit_event
                            FROM (
                                SELECT * FROM sessions_with_id
                                UNION ALL
                                SELECT * FROM visits
                            ) AS single_sessions
                            GROUP BY entry_event
                        ) AS sessions
                    ) AS given
                ) AS placed
                LEFT JOIN referrers AS of_place ON of_place.domain = place
                LEFT JOIN referrers AS parent_3 ON parent_3.domain = extract(place, '(?:[^.]+\.){2}[^.]+$') AND parent_3.subdomains
                LEFT JOIN referrers AS parent_2 ON parent_2.domain = extract(place, '(?:[^.]+\.){1}[^.]+$') AND parent_2.subdomains
            ) AS known
        ) AS folded_sessions
        ARRAY JOIN duration, events, pages, exit_event
    ) AS computed_sessions
),
top_groups AS (
    SELECT
        dim_0,
        dim_1,
        row_number() OVER (ORDER BY count(*) DESC, dim_0 NULLS LAST, dim_1 NULLS LAST) AS rank
    FROM sessions
    GROUP BY dim_0, dim_1
    ORDER BY rank
    LIMIT 5
)
SELECT
    top_groups.dim_0,
    top_groups.dim_1,
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
    CAST(sum(pages) AS DOUBLE PRECISION) / nullif(count(*), 0) AS metric_3,
    rank IS NULL AS other
FROM sessions LEFT JOIN top_groups ON sessions.dim_0 IS NOT DISTINCT FROM top_groups.dim_0 AND sessions.dim_1 IS NOT DISTINCT FROM top_groups.dim_1
GROUP BY rank, top_groups.dim_0, top_groups.dim_1
ORDER BY rank NULLS LAST
LIMIT 100001

-- $1: 'page_view'
-- $2: '$pageview'
-- $3: 'pageview'
-- $4: 'page_leave'
-- $5: '$pageleave'
-- $6: 'pageleave'
-- $7: datetime.datetime(2025, 4, 30, 0, 0, tzinfo=datetime.timezone.utc)
-- $8: datetime.datetime(2025, 6, 2, 0, 0, tzinfo=datetime.timezone.utc)
-- $9: datetime.datetime(2025, 5, 1, 0, 0, tzinfo=datetime.timezone.utc)
-- $10: datetime.datetime(2025, 6, 1, 0, 0, tzinfo=datetime.timezone.utc)

WITH matching_visits_1 AS MATERIALIZED (
    WITH loose_events AS (
        SELECT
            user_id,
            timestamp,
            received_at,
            ingester,
            seq,
            line,
            name IN ({p7:String}, {p8:String}, {p9:String}) AS is_leave,
            CASE WHEN name IN ({p4:String}, {p5:String}, {p6:String}) THEN 1 ELSE 0 END AS page,
            origin AS text_0
        FROM events
        WHERE site_id = {p1:String}
            AND timestamp >= {p10:DateTime64(6, 'UTC')}
            AND timestamp < {p11:DateTime64(6, 'UTC')}
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
        WHERE site_id = {p1:String}
            AND timestamp >= {p10:DateTime64(6, 'UTC')}
            AND timestamp < {p11:DateTime64(6, 'UTC')}
            AND session_id IS NOT NULL
            AND (user_id) IN (SELECT user_id
            FROM events
            WHERE site_id = {p1:String}
                AND timestamp >= {p10:DateTime64(6, 'UTC')}
                AND timestamp < {p11:DateTime64(6, 'UTC')}
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
            CASE WHEN name IN ({p4:String}, {p5:String}, {p6:String}) THEN 1 ELSE 0 END AS page,
            origin AS text_0
        FROM events
        WHERE site_id = {p1:String}
            AND timestamp >= {p10:DateTime64(6, 'UTC')}
            AND timestamp < {p11:DateTime64(6, 'UTC')}
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
            session_id,
            count(*) FILTER (WHERE page = 1) AS pages,
            argMin(ifNull(concat('=', text_0), ''), (
                toUInt128(toUnixTimestamp64Micro(timestamp)) * toUInt128('37778931862957161709568')
                    + toUInt128(least(greatest(toUnixTimestamp64Micro(received_at) - toUnixTimestamp64Micro(timestamp) + 137438953472, 0), 1125899906842623)) * 33554432
                    + toUInt64(bitAnd(seq, 31) * 1048576 + least(line, 1048575))
            ) + toUInt128(1 - page) * toUInt128('170141183460469231731687303715884105728')) AS entry_event
        FROM events_of_sessions
        GROUP BY session_id
    ),
    matching_sessions AS MATERIALIZED (
        SELECT
            session_id
        FROM (
            SELECT
                session_id,
                referring_site AS dim_0
            FROM (
                SELECT
                    entry_event,
                    channel,
                    referring_site,
                    session_id,
                    pages
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
                                        groupArray(session_id) AS session_id,
                                        groupArray(pages) AS pages
                                    FROM (
                                        SELECT * FROM sessions_with_id
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
                ARRAY JOIN session_id, pages
            ) AS computed_sessions
        ) AS tested_sessions
        WHERE dim_0 = {p12:String}
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
            user_id,
            visit,
            count(*) FILTER (WHERE page = 1) AS pages,
            argMin(ifNull(concat('=', text_0), ''), (
                toUInt128(toUnixTimestamp64Micro(timestamp)) * toUInt128('37778931862957161709568')
                    + toUInt128(least(greatest(toUnixTimestamp64Micro(received_at) - toUnixTimestamp64Micro(timestamp) + 137438953472, 0), 1125899906842623)) * 33554432
                    + toUInt64(bitAnd(seq, 31) * 1048576 + least(line, 1048575))
            ) + toUInt128(1 - page) * toUInt128('170141183460469231731687303715884105728')) AS entry_event
        FROM events_of_visits
        GROUP BY user_id, visit
    ),
    matching_visits AS MATERIALIZED (
        SELECT
            user_id,
            visit
        FROM (
            SELECT
                user_id,
                visit,
                referring_site AS dim_0
            FROM (
                SELECT
                    entry_event,
                    channel,
                    referring_site,
                    user_id,
                    visit,
                    pages
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
                                        groupArray(user_id) AS user_id,
                                        groupArray(visit) AS visit,
                                        groupArray(pages) AS pages
                                    FROM (
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
                ARRAY JOIN user_id, visit, pages
            ) AS computed_sessions
        ) AS tested_sessions
        WHERE dim_0 = {p12:String}
    )
    SELECT
        session_id,
        NULL AS of_ingester,
        NULL AS of_seq,
        NULL AS of_line
    FROM matching_sessions
    UNION ALL
    SELECT
        NULL AS session_id,
        ingester AS of_ingester,
        seq AS of_seq,
        line AS of_line
    FROM attributed_events
    WHERE
        (session_id) IN (SELECT session_id FROM matching_sessions)
        OR (session_id IS NULL AND (user_id, visit) IN (SELECT user_id, visit FROM matching_visits))
),
scoped AS (
    SELECT
        path AS dim_0
    FROM events
    WHERE site_id = {p1:String}
        AND timestamp >= {p2:DateTime64(6, 'UTC')}
        AND timestamp < {p3:DateTime64(6, 'UTC')}
        AND ((session_id) IN (SELECT session_id FROM matching_visits_1 WHERE session_id IS NOT NULL) OR (events.ingester, events.seq, events.line) IN (SELECT of_ingester, of_seq, of_line FROM matching_visits_1 WHERE session_id IS NULL))
)
SELECT
    dim_0,
    count(*) AS metric_0
FROM scoped
GROUP BY dim_0
ORDER BY dim_0 NULLS LAST
LIMIT 10001

-- $1: 'default'
-- $2: datetime.datetime(2025, 5, 1, 0, 0, tzinfo=datetime.timezone.utc)
-- $3: datetime.datetime(2025, 6, 1, 0, 0, tzinfo=datetime.timezone.utc)
-- $4: 'page_view'
-- $5: '$pageview'
-- $6: 'pageview'
-- $7: 'page_leave'
-- $8: '$pageleave'
-- $9: 'pageleave'
-- $10: datetime.datetime(2025, 4, 30, 0, 0, tzinfo=datetime.timezone.utc)
-- $11: datetime.datetime(2025, 6, 2, 0, 0, tzinfo=datetime.timezone.utc)
-- $12: 'example.org'

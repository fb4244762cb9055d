WITH matching_visits_1 AS MATERIALIZED (
    WITH loose_events AS (
        SELECT
            user_id,
            timestamp,
            received_at,
            ingester,
            seq,
            line,
            name IN ({p13:String}, {p14:String}, {p15:String}) AS is_leave,
            CASE WHEN name IN ({p10:String}, {p11:String}, {p12:String}) THEN 1 ELSE 0 END AS page,
            trimLeft(if(coalesce(position(if((position(if(readable = '', properties, readable), concat('"', {p4:String}, '"')) > 0 OR position(if(readable = '', properties, readable), '\\') > 0), JSONExtract(if(readable = '', properties, readable), {p4:String}, 'Nullable(String)'), NULL), '"\\u0000') > 0, FALSE) AND NOT startsWith(JSONExtractRaw(if(readable = '', properties, readable), {p4:String}), '"'), replaceRegexpAll(if((position(if(readable = '', properties, readable), concat('"', {p4:String}, '"')) > 0 OR position(if(readable = '', properties, readable), '\\') > 0), JSONExtract(if(readable = '', properties, readable), {p4:String}, 'Nullable(String)'), NULL), '"\\\\u0000([^"]*)"', '\\1'), if((position(if(readable = '', properties, readable), concat('"', {p4:String}, '"')) > 0 OR position(if(readable = '', properties, readable), '\\') > 0), JSONExtract(if(readable = '', properties, readable), {p4:String}, 'Nullable(String)'), NULL)), '\0') AS text_0,
            trimLeft(if(coalesce(position(if((position(if(readable = '', properties, readable), concat('"', {p5:String}, '"')) > 0 OR position(if(readable = '', properties, readable), '\\') > 0), JSONExtract(if(readable = '', properties, readable), {p5:String}, 'Nullable(String)'), NULL), '"\\u0000') > 0, FALSE) AND NOT startsWith(JSONExtractRaw(if(readable = '', properties, readable), {p5:String}), '"'), replaceRegexpAll(if((position(if(readable = '', properties, readable), concat('"', {p5:String}, '"')) > 0 OR position(if(readable = '', properties, readable), '\\') > 0), JSONExtract(if(readable = '', properties, readable), {p5:String}, 'Nullable(String)'), NULL), '"\\\\u0000([^"]*)"', '\\1'), if((position(if(readable = '', properties, readable), concat('"', {p5:String}, '"')) > 0 OR position(if(readable = '', properties, readable), '\\') > 0), JSONExtract(if(readable = '', properties, readable), {p5:String}, 'Nullable(String)'), NULL)), '\0') AS text_1,
            trimLeft(if(coalesce(position(if((position(if(readable = '', properties, readable), concat('"', {p6:String}, '"')) > 0 OR position(if(readable = '', properties, readable), '\\') > 0), JSONExtract(if(readable = '', properties, readable), {p6:String}, 'Nullable(String)'), NULL), '"\\u0000') > 0, FALSE) AND NOT startsWith(JSONExtractRaw(if(readable = '', properties, readable), {p6:String}), '"'), replaceRegexpAll(if((position(if(readable = '', properties, readable), concat('"', {p6:String}, '"')) > 0 OR position(if(readable = '', properties, readable), '\\') > 0), JSONExtract(if(readable = '', properties, readable), {p6:String}, 'Nullable(String)'), NULL), '"\\\\u0000([^"]*)"', '\\1'), if((position(if(readable = '', properties, readable), concat('"', {p6:String}, '"')) > 0 OR position(if(readable = '', properties, readable), '\\') > 0), JSONExtract(if(readable = '', properties, readable), {p6:String}, 'Nullable(String)'), NULL)), '\0') AS text_2,
            trimLeft(if(coalesce(position(if((position(if(readable = '', properties, readable), concat('"', {p7:String}, '"')) > 0 OR position(if(readable = '', properties, readable), '\\') > 0), JSONExtract(if(readable = '', properties, readable), {p7:String}, 'Nullable(String)'), NULL), '"\\u0000') > 0, FALSE) AND NOT startsWith(JSONExtractRaw(if(readable = '', properties, readable), {p7:String}), '"'), replaceRegexpAll(if((position(if(readable = '', properties, readable), concat('"', {p7:String}, '"')) > 0 OR position(if(readable = '', properties, readable), '\\') > 0), JSONExtract(if(readable = '', properties, readable), {p7:String}, 'Nullable(String)'), NULL), '"\\\\u0000([^"]*)"', '\\1'), if((position(if(readable = '', properties, readable), concat('"', {p7:String}, '"')) > 0 OR position(if(readable = '', properties, readable), '\\') > 0), JSONExtract(if(readable = '', properties, readable), {p7:String}, 'Nullable(String)'), NULL)), '\0') AS text_3,
            trimLeft(if(coalesce(position(if((position(if(readable = '', properties, readable), concat('"', {p8:String}, '"')) > 0 OR position(if(readable = '', properties, readable), '\\') > 0), JSONExtract(if(readable = '', properties, readable), {p8:String}, 'Nullable(String)'), NULL), '"\\u0000') > 0, FALSE) AND NOT startsWith(JSONExtractRaw(if(readable = '', properties, readable), {p8:String}), '"'), replaceRegexpAll(if((position(if(readable = '', properties, readable), concat('"', {p8:String}, '"')) > 0 OR position(if(readable = '', properties, readable), '\\') > 0), JSONExtract(if(readable = '', properties, readable), {p8:String}, 'Nullable(String)'), NULL), '"\\\\u0000([^"]*)"', '\\1'), if((position(if(readable = '', properties, readable), concat('"', {p8:String}, '"')) > 0 OR position(if(readable = '', properties, readable), '\\') > 0), JSONExtract(if(readable = '', properties, readable), {p8:String}, 'Nullable(String)'), NULL)), '\0') AS text_4,
            trimLeft(if(coalesce(position(if((position(if(readable = '', properties, readable), concat('"', {p9:String}, '"')) > 0 OR position(if(readable = '', properties, readable), '\\') > 0), JSONExtract(if(readable = '', properties, readable), {p9:String}, 'Nullable(String)'), NULL), '"\\u0000') > 0, FALSE) AND NOT startsWith(JSONExtractRaw(if(readable = '', properties, readable), {p9:String}), '"'), replaceRegexpAll(if((position(if(readable = '', properties, readable), concat('"', {p9:String}, '"')) > 0 OR position(if(readable = '', properties, readable), '\\') > 0), JSONExtract(if(readable = '', properties, readable), {p9:String}, 'Nullable(String)'), NULL), '"\\\\u0000([^"]*)"', '\\1'), if((position(if(readable = '', properties, readable), concat('"', {p9:String}, '"')) > 0 OR position(if(readable = '', properties, readable), '\\') > 0), JSONExtract(if(readable = '', properties, readable), {p9:String}, 'Nullable(String)'), NULL)), '\0') AS text_5
        FROM events
        WHERE site_id = {p1:String}
            AND timestamp >= {p16:DateTime64(6, 'UTC')}
            AND timestamp < {p17:DateTime64(6, 'UTC')}
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
            text_0,
            text_1,
            text_2,
            text_3,
            text_4,
            text_5
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
            NULL,
            NULL,
            NULL,
            NULL,
            NULL,
            NULL
        FROM events
        WHERE site_id = {p1:String}
            AND timestamp >= {p16:DateTime64(6, 'UTC')}
            AND timestamp < {p17:DateTime64(6, 'UTC')}
            AND session_id IS NOT NULL
            AND (user_id) IN (SELECT user_id
            FROM events
            WHERE site_id = {p1:String}
                AND timestamp >= {p16:DateTime64(6, 'UTC')}
                AND timestamp < {p17:DateTime64(6, 'UTC')}
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
            text_1,
            text_2,
            text_3,
            text_4,
            text_5,
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
            CASE WHEN name IN ({p10:String}, {p11:String}, {p12:String}) THEN 1 ELSE 0 END AS page,
            trimLeft(if(coalesce(position(if((position(if(readable = '', properties, readable), concat('"', {p4:String}, '"')) > 0 OR position(if(readable = '', properties, readable), '\\') > 0), JSONExtract(if(readable = '', properties, readable), {p4:String}, 'Nullable(String)'), NULL), '"\\u0000') > 0, FALSE) AND NOT startsWith(JSONExtractRaw(if(readable = '', properties, readable), {p4:String}), '"'), replaceRegexpAll(if((position(if(readable = '', properties, readable), concat('"', {p4:String}, '"')) > 0 OR position(if(readable = '', properties, readable), '\\') > 0), JSONExtract(if(readable = '', properties, readable), {p4:String}, 'Nullable(String)'), NULL), '"\\\\u0000([^"]*)"', '\\1'), if((position(if(readable = '', properties, readable), concat('"', {p4:String}, '"')) > 0 OR position(if(readable = '', properties, readable), '\\') > 0), JSONExtract(if(readable = '', properties, readable), {p4:String}, 'Nullable(String)'), NULL)), '\0') AS text_0,
            trimLeft(if(coalesce(position(if((position(if(readable = '', properties, readable), concat('"', {p5:String}, '"')) > 0 OR position(if(readable = '', properties, readable), '\\') > 0), JSONExtract(if(readable = '', properties, readable), {p5:String}, 'Nullable(String)'), NULL), '"\\u0000') > 0, FALSE) AND NOT startsWith(JSONExtractRaw(if(readable = '', properties, readable), {p5:String}), '"'), replaceRegexpAll(if((position(if(readable = '', properties, readable), concat('"', {p5:String}, '"')) > 0 OR position(if(readable = '', properties, readable), '\\') > 0), JSONExtract(if(readable = '', properties, readable), {p5:String}, 'Nullable(String)'), NULL), '"\\\\u0000([^"]*)"', '\\1'), if((position(if(readable = '', properties, readable), concat('"', {p5:String}, '"')) > 0 OR position(if(readable = '', properties, readable), '\\') > 0), JSONExtract(if(readable = '', properties, readable), {p5:String}, 'Nullable(String)'), NULL)), '\0') AS text_1,
            trimLeft(if(coalesce(position(if((position(if(readable = '', properties, readable), concat('"', {p6:String}, '"')) > 0 OR position(if(readable = '', properties, readable), '\\') > 0), JSONExtract(if(readable = '', properties, readable), {p6:String}, 'Nullable(String)'), NULL), '"\\u0000') > 0, FALSE) AND NOT startsWith(JSONExtractRaw(if(readable = '', properties, readable), {p6:String}), '"'), replaceRegexpAll(if((position(if(readable = '', properties, readable), concat('"', {p6:String}, '"')) > 0 OR position(if(readable = '', properties, readable), '\\') > 0), JSONExtract(if(readable = '', properties, readable), {p6:String}, 'Nullable(String)'), NULL), '"\\\\u0000([^"]*)"', '\\1'), if((position(if(readable = '', properties, readable), concat('"', {p6:String}, '"')) > 0 OR position(if(readable = '', properties, readable), '\\') > 0), JSONExtract(if(readable = '', properties, readable), {p6:String}, 'Nullable(String)'), NULL)), '\0') AS text_2,
            trimLeft(if(coalesce(position(if((position(if(readable = '', properties, readable), concat('"', {p7:String}, '"')) > 0 OR position(if(readable = '', properties, readable), '\\') > 0), JSONExtract(if(readable = '', properties, readable), {p7:String}, 'Nullable(String)'), NULL), '"\\u0000') > 0, FALSE) AND NOT startsWith(JSONExtractRaw(if(readable = '', properties, readable), {p7:String}), '"'), replaceRegexpAll(if((position(if(readable = '', properties, readable), concat('"', {p7:String}, '"')) > 0 OR position(if(readable = '', properties, readable), '\\') > 0), JSONExtract(if(readable = '', properties, readable), {p7:String}, 'Nullable(String)'), NULL), '"\\\\u0000([^"]*)"', '\\1'), if((position(if(readable = '', properties, readable), concat('"', {p7:String}, '"')) > 0 OR position(if(readable = '', properties, readable), '\\') > 0), JSONExtract(if(readable = '', properties, readable), {p7:String}, 'Nullable(String)'), NULL)), '\0') AS text_3,
            trimLeft(if(coalesce(position(if((position(if(readable = '', properties, readable), concat('"', {p8:String}, '"')) > 0 OR position(if(readable = '', properties, readable), '\\') > 0), JSONExtract(if(readable = '', properties, readable), {p8:String}, 'Nullable(String)'), NULL), '"\\u0000') > 0, FALSE) AND NOT startsWith(JSONExtractRaw(if(readable = '', properties, readable), {p8:String}), '"'), replaceRegexpAll(if((position(if(readable = '', properties, readable), concat('"', {p8:String}, '"')) > 0 OR position(if(readable = '', properties, readable), '\\') > 0), JSONExtract(if(readable = '', properties, readable), {p8:String}, 'Nullable(String)'), NULL), '"\\\\u0000([^"]*)"', '\\1'), if((position(if(readable = '', properties, readable), concat('"', {p8:String}, '"')) > 0 OR position(if(readable = '', properties, readable), '\\') > 0), JSONExtract(if(readable = '', properties, readable), {p8:String}, 'Nullable(String)'), NULL)), '\0') AS text_4,
            trimLeft(if(coalesce(position(if((position(if(readable = '', properties, readable), concat('"', {p9:String}, '"')) > 0 OR position(if(readable = '', properties, readable), '\\') > 0), JSONExtract(if(readable = '', properties, readable), {p9:String}, 'Nullable(String)'), NULL), '"\\u0000') > 0, FALSE) AND NOT startsWith(JSONExtractRaw(if(readable = '', properties, readable), {p9:String}), '"'), replaceRegexpAll(if((position(if(readable = '', properties, readable), concat('"', {p9:String}, '"')) > 0 OR position(if(readable = '', properties, readable), '\\') > 0), JSONExtract(if(readable = '', properties, readable), {p9:String}, 'Nullable(String)'), NULL), '"\\\\u0000([^"]*)"', '\\1'), if((position(if(readable = '', properties, readable), concat('"', {p9:String}, '"')) > 0 OR position(if(readable = '', properties, readable), '\\') > 0), JSONExtract(if(readable = '', properties, readable), {p9:String}, 'Nullable(String)'), NULL)), '\0') AS text_5
        FROM events
        WHERE site_id = {p1:String}
            AND timestamp >= {p16:DateTime64(6, 'UTC')}
            AND timestamp < {p17:DateTime64(6, 'UTC')}
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
            text_0,
            text_1,
            text_2,
            text_3,
            text_4,
            text_5
        FROM attributed_events
        WHERE session_id IS NOT NULL
    ),
    sessions_with_id AS NOT MATERIALIZED (
        SELECT
            session_id,
            count(*) FILTER (WHERE page = 1) AS pages,
            argMin([text_0, text_1, text_2, text_3, text_4, text_5], (
                toUInt256(toUnixTimestamp64Micro(timestamp)) * toUInt256('3213876088517980551083924184682325205044405987565585670602752')
                    + toUInt256(toUnixTimestamp64Micro(received_at)) * toUInt256('713623846352979940529142984724747568191373312')
                    + toUInt256(reinterpretAsUInt64(reverse(rightPad(ingester, 8, '\0')))) * toUInt256('38685626227668133590597632')
                    + toUInt256(seq) * 4294967296 + line
            ) + toUInt256(1 - page) * toUInt256('28948022309329048855892746252171976963317496166410141009864396001978282409984')) AS entry_event
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
                                nullif(lowerUTF8(entry_event[1]), '') AS tag_source,
                                nullif(lowerUTF8(entry_event[2]), '') AS tag_medium,
                                nullif(entry_event[3], '') AS tag_campaign,
                                nullif(entry_event[4], '') AS tag_click,
                                nullif(nullif(entry_event[5], '$direct'), '') AS referring_domain,
                                nullif(regexp_replace(regexp_replace(lowerUTF8(entry_event[5]), ':[0-9]+$', ''), '^www\.', ''), '') AS referring_host,
                                nullif(regexp_replace(regexp_replace(lowerUTF8(entry_event[6]), ':[0-9]+$', ''), '^www\.', ''), '') AS own_host
                            FROM (
                                SELECT * FROM sessions_with_id
                            ) AS sessions
                        ) AS given
                    ) AS placed
                    LEFT JOIN referrers AS of_place ON of_place.domain = place
                    LEFT JOIN referrers AS parent_3 ON parent_3.domain = extract(place, '(?:[^.]+\.){2}[^.]+$') AND parent_3.subdomains
                    LEFT JOIN referrers AS parent_2 ON parent_2.domain = extract(place, '(?:[^.]+\.){1}[^.]+$') AND parent_2.subdomains
                ) AS known
            ) AS computed_sessions
        ) AS tested_sessions
        WHERE dim_0 = {p18:String}
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
            text_0,
            text_1,
            text_2,
            text_3,
            text_4,
            text_5
        FROM attributed_events
        WHERE session_id IS NULL
    ),
    visits AS NOT MATERIALIZED (
        SELECT
            user_id,
            visit,
            count(*) FILTER (WHERE page = 1) AS pages,
            argMin([text_0, text_1, text_2, text_3, text_4, text_5], (
                toUInt256(toUnixTimestamp64Micro(timestamp)) * toUInt256('3213876088517980551083924184682325205044405987565585670602752')
                    + toUInt256(toUnixTimestamp64Micro(received_at)) * toUInt256('713623846352979940529142984724747568191373312')
                    + toUInt256(reinterpretAsUInt64(reverse(rightPad(ingester, 8, '\0')))) * toUInt256('38685626227668133590597632')
                    + toUInt256(seq) * 4294967296 + line
            ) + toUInt256(1 - page) * toUInt256('28948022309329048855892746252171976963317496166410141009864396001978282409984')) AS entry_event
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
                                nullif(lowerUTF8(entry_event[1]), '') AS tag_source,
                                nullif(lowerUTF8(entry_event[2]), '') AS tag_medium,
                                nullif(entry_event[3], '') AS tag_campaign,
                                nullif(entry_event[4], '') AS tag_click,
                                nullif(nullif(entry_event[5], '$direct'), '') AS referring_domain,
                                nullif(regexp_replace(regexp_replace(lowerUTF8(entry_event[5]), ':[0-9]+$', ''), '^www\.', ''), '') AS referring_host,
                                nullif(regexp_replace(regexp_replace(lowerUTF8(entry_event[6]), ':[0-9]+$', ''), '^www\.', ''), '') AS own_host
                            FROM (
                                SELECT * FROM visits
                            ) AS sessions
                        ) AS given
                    ) AS placed
                    LEFT JOIN referrers AS of_place ON of_place.domain = place
                    LEFT JOIN referrers AS parent_3 ON parent_3.domain = extract(place, '(?:[^.]+\.){2}[^.]+$') AND parent_3.subdomains
                    LEFT JOIN referrers AS parent_2 ON parent_2.domain = extract(place, '(?:[^.]+\.){1}[^.]+$') AND parent_2.subdomains
                ) AS known
            ) AS computed_sessions
        ) AS tested_sessions
        WHERE dim_0 = {p18:String}
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
-- $4: 'utm_source'
-- $5: 'utm_medium'
-- $6: 'utm_campaign'
-- $7: '$ad_click'
-- $8: '$referring_domain'
-- $9: '$host'
-- $10: 'page_view'
-- $11: '$pageview'
-- $12: 'pageview'
-- $13: 'page_leave'
-- $14: '$pageleave'
-- $15: 'pageleave'
-- $16: datetime.datetime(2025, 4, 30, 0, 0, tzinfo=datetime.timezone.utc)
-- $17: datetime.datetime(2025, 6, 2, 0, 0, tzinfo=datetime.timezone.utc)
-- $18: 'example.org'

WITH loose_events AS (
    SELECT
        site_id,
        user_id,
        timestamp,
        rowid,
        name IN ($10, $11, $12) AS is_leave,
        CASE WHEN name IN ($7, $8, $9) THEN 1 ELSE 0 END AS page,
        json_extract_string(properties, $1) AS text_0,
        json_extract_string(properties, $2) AS text_1,
        json_extract_string(properties, $3) AS text_2,
        json_extract_string(properties, $4) AS text_3,
        json_extract_string(properties, $5) AS text_4,
        json_extract_string(properties, $6) AS text_5,
        path AS text_6
    FROM events
    WHERE timestamp >= $13
        AND timestamp < $14
        AND session_id IS NULL
        AND user_id IS NOT NULL
),
events_of_loose_users AS (
    SELECT
        site_id,
        user_id,
        timestamp,
        rowid,
        NULL AS session_id,
        is_leave,
        page,
        text_0,
        text_1,
        text_2,
        text_3,
        text_4,
        text_5,
        text_6
    FROM loose_events
    UNION ALL
    SELECT
        site_id,
        user_id,
        timestamp,
        rowid,
        session_id,
        FALSE,
        NULL,
        NULL,
        NULL,
        NULL,
        NULL,
        NULL,
        NULL,
        NULL
    FROM events
    WHERE timestamp >= $13
        AND timestamp < $14
        AND session_id IS NOT NULL
        AND (site_id, user_id) IN (SELECT site_id, user_id FROM loose_events)
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
    WINDOW events_of_user AS (PARTITION BY site_id, user_id ORDER BY timestamp, rowid)
),
stretches AS MATERIALIZED (
    SELECT
        *,
        sum(starts_visit) OVER (PARTITION BY site_id, user_id ORDER BY timestamp, rowid ROWS UNBOUNDED PRECEDING) AS visit
    FROM starts_of_stretches
),
session_places AS NOT MATERIALIZED (
    SELECT site_id, user_id, place, visit, session_id
    FROM stretches
    WHERE session_id IS NOT NULL
),
attributed_events AS MATERIALIZED (
    SELECT
        stretches.site_id,
        stretches.user_id,
        stretches.timestamp,
        stretches.rowid,
        stretches.visit,
        stretches.page,
        stretches.text_0,
        stretches.text_1,
        stretches.text_2,
        stretches.text_3,
        stretches.text_4,
        stretches.text_5,
        stretches.text_6,
        CASE
            WHEN earlier.visit = stretches.visit THEN earlier.session_id
            WHEN later.visit = stretches.visit THEN later.session_id
            WHEN earlier.session_id = later.session_id THEN earlier.session_id
        END AS session_id
    FROM stretches
    LEFT JOIN session_places AS earlier ON earlier.site_id = stretches.site_id AND earlier.user_id = stretches.user_id AND earlier.place = stretches.place
    LEFT JOIN session_places AS later ON later.site_id = stretches.site_id AND later.user_id = stretches.user_id AND later.place = stretches.place + 1
    WHERE stretches.session_id IS NULL
),
new_sessions AS MATERIALIZED (
    SELECT site_id, session_id, started, ended, events, pages, leaves, entry_at, entry_id, channel, exit_at, exit_id, exit_path
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
                coalesce(of_place.kind, CASE WHEN regexp_matches(place, '^(?:web|w)?e?-?mail(?:business|er)?[0-9]*\.[^.]+\.|^lightmailer(?:-[a-z]+)?\.[^.]+\.|^deref-[a-z0-9-]+\.|^outlook\.(?:live|office|office365)\.|^com\.google\.android\.gm$') THEN 'email' END, parent_3.kind, parent_2.kind) AS kind
            FROM (
                SELECT
                    *,
                    CASE WHEN referring_domain IS NULL OR right('.' || referring_host, length(own_host) + 1) = '.' || own_host OR right('.' || own_host, length(referring_host) + 1) = '.' || referring_host THEN NULL ELSE referring_domain END AS external_referrer,
                    coalesce(regexp_matches(referring_host, '^(?:web|w)?e?-?mail(?:business|er)?[0-9]*\.[^.]+\.|^lightmailer(?:-[a-z]+)?\.[^.]+\.|^deref-[a-z0-9-]+\.|^outlook\.(?:live|office|office365)\.|^com\.google\.android\.gm$'), FALSE) AS from_mail,
                    coalesce(regexp_replace(regexp_replace(lower(tag_source), ':[0-9]+$', ''), '^www\.', ''), CASE WHEN referring_domain IS NULL OR right('.' || referring_host, length(own_host) + 1) = '.' || own_host OR right('.' || own_host, length(referring_host) + 1) = '.' || referring_host THEN NULL ELSE referring_host END) AS place
                FROM (
                    SELECT
                        *,
                        nullif(lower(utm_source), '') AS tag_source,
                        nullif(lower(utm_medium), '') AS tag_medium,
                        nullif(utm_campaign, '') AS tag_campaign,
                        nullif(ad_click, '') AS tag_click,
                        nullif(nullif(referrer, '$direct'), '') AS referring_domain,
                        nullif(regexp_replace(regexp_replace(lower(referrer), ':[0-9]+$', ''), '^www\.', ''), '') AS referring_host,
                        nullif(regexp_replace(regexp_replace(lower(host), ':[0-9]+$', ''), '^www\.', ''), '') AS own_host
                    FROM (
                        SELECT site_id, session_id, started, ended, events, pages, leaves, entry_at, entry_id, exit_at, exit_id, exit_path, utm_source, utm_medium, utm_campaign, ad_click, referrer, host
                        FROM (
                            SELECT *, (json_extract_string(properties, ['/utm_source', '/utm_medium', '/utm_campaign', '/utm_term', '/utm_content', '/$referring_domain', '/$host', '/$ad_click']))[1] AS utm_source, (json_extract_string(properties, ['/utm_source', '/utm_medium', '/utm_campaign', '/utm_term', '/utm_content', '/$referring_domain', '/$host', '/$ad_click']))[2] AS utm_medium, (json_extract_string(properties, ['/utm_source', '/utm_medium', '/utm_campaign', '/utm_term', '/utm_content', '/$referring_domain', '/$host', '/$ad_click']))[3] AS utm_campaign, (json_extract_string(properties, ['/utm_source', '/utm_medium', '/utm_campaign', '/utm_term', '/utm_content', '/$referring_domain', '/$host', '/$ad_click']))[4] AS utm_term, (json_extract_string(properties, ['/utm_source', '/utm_medium', '/utm_campaign', '/utm_term', '/utm_content', '/$referring_domain', '/$host', '/$ad_click']))[5] AS utm_content, (json_extract_string(properties, ['/utm_source', '/utm_medium', '/utm_campaign', '/utm_term', '/utm_content', '/$referring_domain', '/$host', '/$ad_click']))[6] AS referrer, (json_extract_string(properties, ['/utm_source', '/utm_medium', '/utm_campaign', '/utm_term', '/utm_content', '/$referring_domain', '/$host', '/$ad_click']))[7] AS host, (json_extract_string(properties, ['/utm_source', '/utm_medium', '/utm_campaign', '/utm_term', '/utm_content', '/$referring_domain', '/$host', '/$ad_click']))[8] AS ad_click
                            FROM (
                                SELECT *, entry.*, "exit".*
                                FROM (
                                    SELECT
                                        site_id,
                                        session_id,
                                        min(timestamp) AS started,
                                        max(timestamp) AS ended,
                                        count(*) AS events,
                                        count(*) FILTER (page = 1) AS pages,
                                        count(*) FILTER (name IN ('page_leave', '$pageleave', 'pageleave')) AS leaves,
                                        arg_min({entry_at: timestamp, entry_id: event_id, properties: properties}, ROW(-page, timestamp, rowid)) AS entry,
                                        arg_max({exit_at: timestamp, exit_id: event_id, exit_path: path}, ROW(page, timestamp, rowid)) AS exit,
                                    FROM (
                                        SELECT *, rowid, CASE WHEN name IN ('page_view', '$pageview', 'pageview') THEN 1 ELSE 0 END AS page
                                        FROM events
                                        WHERE session_id IS NOT NULL AND rowid >= 1000
                                    ) AS visited
                                    GROUP BY site_id, session_id
                                ) AS packed
                            ) AS unpacked
                        ) AS sessions
                    ) AS sessions
                ) AS given
            ) AS placed
            LEFT JOIN referrers AS of_place ON of_place.domain = place
            LEFT JOIN referrers AS parent_3 ON parent_3.domain = regexp_extract(place, '(?:[^.]+\.){2}[^.]+$') AND parent_3.subdomains
            LEFT JOIN referrers AS parent_2 ON parent_2.domain = regexp_extract(place, '(?:[^.]+\.){1}[^.]+$') AND parent_2.subdomains
        ) AS known
    ) AS sessions_with_channel
    LIMIT 7
),
touched AS MATERIALIZED (
    SELECT rowid AS part, site_id, session_id, started, ended, events, pages, leaves, entry_at, entry_id, channel, exit_at, exit_id, exit_path
    FROM session_parts SEMI JOIN new_sessions USING (site_id, session_id)
    WHERE rowid IN (SELECT rowid FROM session_parts WHERE session_hash IN (SELECT CAST(hash(site_id, session_id) >> 32 AS UINTEGER) FROM new_sessions))
),
indexed_sessions AS NOT MATERIALIZED (
    SELECT site_id, session_id, started, ended, events, pages, leaves, entry_at, entry_id, channel, exit_at, exit_id, exit_path
    FROM session_parts ANTI JOIN touched ON touched.part = session_parts.rowid
    UNION ALL
    SELECT site_id, session_id, started, ended, events, pages, leaves, entry_at, entry_id, channel, exit_at, exit_id, exit_path
    FROM (
        SELECT *, entry.*, "exit".*
        FROM (
            SELECT
                site_id,
                session_id,
                least(new.started, old.started) AS started,
                greatest(new.ended, old.ended) AS ended,
                new.events + coalesce(old.events, 0) AS events,
                new.pages + coalesce(old.pages, 0) AS pages,
                new.leaves + coalesce(old.leaves, 0) AS leaves,
                CASE WHEN old.part IS NULL OR ROW(new.pages = 0, new.entry_at) < ROW(old.pages = 0, old.entry_at) THEN {entry_at: new.entry_at, entry_id: new.entry_id, channel: new.channel} ELSE {entry_at: old.entry_at, entry_id: old.entry_id, channel: old.channel} END AS entry,
                CASE WHEN old.part IS NULL OR ROW(new.pages > 0, new.exit_at) >= ROW(old.pages > 0, old.exit_at) THEN {exit_at: new.exit_at, exit_id: new.exit_id, exit_path: new.exit_path} ELSE {exit_at: old.exit_at, exit_id: old.exit_id, exit_path: old.exit_path} END AS exit,
            FROM new_sessions AS new
            LEFT JOIN touched AS old USING (site_id, session_id)
        ) AS packed
    ) AS continued
),
joined_sessions AS MATERIALIZED (
    SELECT DISTINCT site_id, session_id
    FROM attributed_events
    WHERE session_id IS NOT NULL
),
long_sessions AS MATERIALIZED (
    SELECT site_id, session_id FROM joined_sessions
    UNION ALL
    SELECT site_id, session_id
    FROM indexed_sessions
    WHERE ((started < $13 AND ended >= $15) OR (started < $16 AND ended >= $14))
),
events_of_sessions AS NOT MATERIALIZED (
    SELECT
        site_id,
        session_id,
        timestamp,
        rowid,
        CASE WHEN name IN ($7, $8, $9) THEN 1 ELSE 0 END AS page,
        json_extract_string(properties, $1) AS text_0,
        json_extract_string(properties, $2) AS text_1,
        json_extract_string(properties, $3) AS text_2,
        json_extract_string(properties, $4) AS text_3,
        json_extract_string(properties, $5) AS text_4,
        json_extract_string(properties, $6) AS text_5,
        path AS text_6
    FROM events
    WHERE timestamp >= $13
        AND timestamp < $14
        AND session_id IS NOT NULL
        AND (site_id, session_id) IN (SELECT site_id, session_id FROM long_sessions)
    UNION ALL
    SELECT
        site_id,
        session_id,
        timestamp,
        rowid,
        page,
        text_0,
        text_1,
        text_2,
        text_3,
        text_4,
        text_5,
        text_6
    FROM attributed_events
    WHERE session_id IS NOT NULL
),
sessions_with_id AS NOT MATERIALIZED (
    SELECT
        min(timestamp) AS started,
        epoch_us(max(timestamp)) - epoch_us(min(timestamp)) AS duration,
        count(*) AS events,
        count(*) FILTER (WHERE page = 1) AS pages,
        arg_min([text_0, text_1, text_2, text_3, text_4, text_5], ROW(-page, timestamp, rowid)) AS entry_event,
        arg_max([text_6], ROW(page, timestamp, rowid)) AS exit_event
    FROM events_of_sessions
    GROUP BY site_id, session_id
    HAVING min(timestamp) >= $15
        AND min(timestamp) < $16
),
events_of_visits AS NOT MATERIALIZED (
    SELECT
        site_id,
        user_id,
        visit,
        timestamp,
        rowid,
        page,
        text_0,
        text_1,
        text_2,
        text_3,
        text_4,
        text_5,
        text_6
    FROM attributed_events
    WHERE session_id IS NULL
),
visits AS NOT MATERIALIZED (
    SELECT
        min(timestamp) AS started,
        epoch_us(max(timestamp)) - epoch_us(min(timestamp)) AS duration,
        count(*) AS events,
        count(*) FILTER (WHERE page = 1) AS pages,
        arg_min([text_0, text_1, text_2, text_3, text_4, text_5], ROW(-page, timestamp, rowid)) AS entry_event,
        arg_max([text_6], ROW(page, timestamp, rowid)) AS exit_event
    FROM events_of_visits
    GROUP BY site_id, user_id, visit
    HAVING min(timestamp) >= $15
        AND min(timestamp) < $16
),
sessions AS MATERIALIZED (
    SELECT
        epoch_us(ended) - epoch_us(started) AS duration,
        events,
        pages,
        CASE WHEN pages > 0 OR channel <> 'direct' THEN channel END AS dim_0,
        exit_path AS dim_1
    FROM indexed_sessions ANTI JOIN joined_sessions USING (site_id, session_id)
    WHERE started >= $15
        AND started < $16
        AND ended < $14
    UNION ALL
    SELECT
        duration,
        events,
        pages,
        CASE WHEN pages > 0 OR channel <> 'direct' THEN channel END AS dim_0,
        exit_event[1] AS dim_1
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
                coalesce(of_place.kind, CASE WHEN regexp_matches(place, '^(?:web|w)?e?-?mail(?:business|er)?[0-9]*\.[^.]+\.|^lightmailer(?:-[a-z]+)?\.[^.]+\.|^deref-[a-z0-9-]+\.|^outlook\.(?:live|office|office365)\.|^com\.google\.android\.gm$') THEN 'email' END, parent_3.kind, parent_2.kind) AS kind
            FROM (
                SELECT
                    *,
                    CASE WHEN referring_domain IS NULL OR right('.' || referring_host, length(own_host) + 1) = '.' || own_host OR right('.' || own_host, length(referring_host) + 1) = '.' || referring_host THEN NULL ELSE referring_domain END AS external_referrer,
                    coalesce(regexp_matches(referring_host, '^(?:web|w)?e?-?mail(?:business|er)?[0-9]*\.[^.]+\.|^lightmailer(?:-[a-z]+)?\.[^.]+\.|^deref-[a-z0-9-]+\.|^outlook\.(?:live|office|office365)\.|^com\.google\.android\.gm$'), FALSE) AS from_mail,
                    coalesce(regexp_replace(regexp_replace(lower(tag_source), ':[0-9]+$', ''), '^www\.', ''), CASE WHEN referring_domain IS NULL OR right('.' || referring_host, length(own_host) + 1) = '.' || own_host OR right('.' || own_host, length(referring_host) + 1) = '.' || referring_host THEN NULL ELSE referring_host END) AS place
                FROM (
                    SELECT
                        *,
                        nullif(lower(entry_event[1]), '') AS tag_source,
                        nullif(lower(entry_event[2]), '') AS tag_medium,
                        nullif(entry_event[3], '') AS tag_campaign,
                        nullif(entry_event[4], '') AS tag_click,
                        nullif(nullif(entry_event[5], '$direct'), '') AS referring_domain,
                        nullif(regexp_replace(regexp_replace(lower(entry_event[5]), ':[0-9]+$', ''), '^www\.', ''), '') AS referring_host,
                        nullif(regexp_replace(regexp_replace(lower(entry_event[6]), ':[0-9]+$', ''), '^www\.', ''), '') AS own_host
                    FROM (
                        SELECT * FROM sessions_with_id
                        UNION ALL
                        SELECT * FROM visits
                    ) AS sessions
                ) AS given
            ) AS placed
            LEFT JOIN referrers AS of_place ON of_place.domain = place
            LEFT JOIN referrers AS parent_3 ON parent_3.domain = regexp_extract(place, '(?:[^.]+\.){2}[^.]+$') AND parent_3.subdomains
            LEFT JOIN referrers AS parent_2 ON parent_2.domain = regexp_extract(place, '(?:[^.]+\.){1}[^.]+$') AND parent_2.subdomains
        ) AS known
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
    quantile_cont(CAST(duration AS DOUBLE PRECISION), 0.5) / 1000000 AS metric_2,
    CAST(sum(pages) AS DOUBLE PRECISION) / nullif(count(*), 0) AS metric_3,
    rank IS NULL AS other
FROM sessions LEFT JOIN top_groups ON sessions.dim_0 IS NOT DISTINCT FROM top_groups.dim_0 AND sessions.dim_1 IS NOT DISTINCT FROM top_groups.dim_1
GROUP BY rank, top_groups.dim_0, top_groups.dim_1
ORDER BY rank NULLS LAST
LIMIT 100001

-- $1: '/utm_source'
-- $2: '/utm_medium'
-- $3: '/utm_campaign'
-- $4: '/$ad_click'
-- $5: '/$referring_domain'
-- $6: '/$host'
-- $7: 'page_view'
-- $8: '$pageview'
-- $9: 'pageview'
-- $10: 'page_leave'
-- $11: '$pageleave'
-- $12: 'pageleave'
-- $13: datetime.datetime(2025, 4, 30, 0, 0)
-- $14: datetime.datetime(2025, 6, 2, 0, 0)
-- $15: datetime.datetime(2025, 5, 1, 0, 0)
-- $16: datetime.datetime(2025, 6, 1, 0, 0)

WITH loose_events AS (
    SELECT
        user_id,
        timestamp,
        received_at,
        ctid,
        name IN (CAST($10 AS text), CAST($11 AS text), CAST($12 AS text)) AS is_leave,
        CASE WHEN name IN (CAST($7 AS text), CAST($8 AS text), CAST($9 AS text)) THEN 1 ELSE 0 END AS page,
        property_text(properties, CAST($1 AS text) COLLATE "C") AS text_0,
        property_text(properties, CAST($2 AS text) COLLATE "C") AS text_1,
        property_text(properties, CAST($3 AS text) COLLATE "C") AS text_2,
        property_text(properties, CAST($4 AS text) COLLATE "C") AS text_3,
        property_text(properties, CAST($5 AS text) COLLATE "C") AS text_4,
        property_text(properties, CAST($6 AS text) COLLATE "C") AS text_5
    FROM events
    WHERE site_id = CAST($13 AS text)
        AND timestamp >= CAST($14 AS timestamptz)
        AND timestamp < CAST($15 AS timestamptz)
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
        ctid,
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
    WHERE site_id = CAST($13 AS text)
        AND timestamp >= CAST($14 AS timestamptz)
        AND timestamp < CAST($15 AS timestamptz)
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
        stretches.text_1,
        stretches.text_2,
        stretches.text_3,
        stretches.text_4,
        stretches.text_5,
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
new_events AS MATERIALIZED (
    SELECT
        site_id,
        session_id,
        timestamp,
        received_at,
        ctid AS place,
        name IN ('page_view', '$pageview', 'pageview') AS is_page,
        name IN ('page_leave', '$pageleave', 'pageleave') AS is_leave,
        site_id IN (SELECT site_id FROM bot_sites) AND is_bot(properties) AS is_bot,
        name,
        source,
        path,
        properties
    FROM events
    WHERE session_id IS NOT NULL AND load_id BETWEEN 7 AND 9
),
new_paths AS MATERIALIZED (
    SELECT CAST(-row_number() OVER () AS integer) AS path_id, path
    FROM (
        SELECT DISTINCT path FROM new_events WHERE path IS NOT NULL
    ) AS paths
    WHERE NOT EXISTS (SELECT FROM session_paths WHERE session_paths.path = paths.path)
),
all_paths AS NOT MATERIALIZED (
    SELECT path_id, path FROM session_paths
    UNION ALL
    SELECT path_id, path FROM new_paths
),
new_sessions AS MATERIALIZED (
    WITH numbered_events AS MATERIALIZED (
        SELECT
            new_events.*,
            path_id,
            dense_rank() OVER (ORDER BY session_id, site_id) AS session_number,
            row_number() OVER (ORDER BY session_id, site_id, timestamp, received_at, place) AS event_number
        FROM new_events
        LEFT JOIN all_paths AS paths ON paths.path = new_events.path
    ), stepped_events AS (
        SELECT
            *,
            is_page AND path_id IS NOT NULL AND path_id IS DISTINCT FROM lag(path_id) OVER (
                PARTITION BY session_number, is_page AND path_id IS NOT NULL ORDER BY event_number
            ) AS is_step
        FROM numbered_events
    ), sums AS (
        SELECT
            min(timestamp) AS started,
            max(timestamp) AS ended,
            count(*) AS events,
            count(*) FILTER (WHERE is_page) AS pages,
            count(*) FILTER (WHERE is_leave) AS leaves,
            count(*) FILTER (WHERE is_bot) AS bot_events,
            coalesce(min(event_number) FILTER (WHERE is_page), min(event_number)) AS entry_number,
            coalesce(max(event_number) FILTER (WHERE is_page), max(event_number)) AS exit_number,
            array_agg(path_id ORDER BY event_number) FILTER (WHERE is_step) AS steps
        FROM stepped_events
        GROUP BY session_number
    )
    SELECT
        entries.site_id,
        entries.session_id,
        started,
        ended,
        events,
        pages,
        leaves,
        bot_events,
        entries.timestamp AS entry_at,
        entries.received_at AS entry_received,
        entries.place AS entry_place,
        entries.path_id AS entry_path,
        ARRAY[
            entries.name,
            entries.source,
            property_text(entries.properties, 'utm_source'),
            property_text(entries.properties, 'utm_medium'),
            property_text(entries.properties, 'utm_campaign'),
            property_text(entries.properties, 'utm_term'),
            property_text(entries.properties, 'utm_content'),
            property_text(entries.properties, '$referring_domain'),
            property_text(entries.properties, '$host'),
            property_text(entries.properties, '$ad_click')
        ] AS texts,
        exits.timestamp AS exit_at,
        exits.received_at AS exit_received,
        exits.place AS exit_place,
        exits.path_id AS exit_path,
        CASE
                WHEN pages <= 1000 AND coalesce(cardinality(steps), 0) <= 32
                THEN coalesce(steps, CAST('{}' AS integer[]))
            END AS trail
    FROM sums
    JOIN numbered_events AS entries ON entries.event_number = entry_number
    JOIN numbered_events AS exits ON exits.event_number = exit_number
),
new_origins AS MATERIALIZED (
    SELECT CAST(-row_number() OVER () AS integer) AS origin_id, texts, channel, referring_site
    FROM (
        SELECT texts, channel, referring_site
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
                    coalesce(of_place.kind, CASE WHEN place ~ '^(?:web|w)?e?-?mail(?:business|er)?[0-9]*\.[^.]+\.|^lightmailer(?:-[a-z]+)?\.[^.]+\.|^deref-[a-z0-9-]+\.|^outlook\.(?:live|office|office365)\.|^com\.google\.android\.gm$' THEN 'email' END, parent_3.kind, parent_2.kind) AS kind
                FROM (
                    SELECT
                        *,
                        CASE WHEN referring_domain IS NULL OR right('.' || referring_host, length(own_host) + 1) = '.' || own_host OR right('.' || own_host, length(referring_host) + 1) = '.' || referring_host THEN NULL ELSE referring_domain END AS external_referrer,
                        coalesce(referring_host ~ '^(?:web|w)?e?-?mail(?:business|er)?[0-9]*\.[^.]+\.|^lightmailer(?:-[a-z]+)?\.[^.]+\.|^deref-[a-z0-9-]+\.|^outlook\.(?:live|office|office365)\.|^com\.google\.android\.gm$', FALSE) AS from_mail,
                        coalesce(regexp_replace(regexp_replace(lower(tag_source COLLATE "und-x-icu") COLLATE "C", ':[0-9]+$', ''), '^www\.', ''), CASE WHEN referring_domain IS NULL OR right('.' || referring_host, length(own_host) + 1) = '.' || own_host OR right('.' || own_host, length(referring_host) + 1) = '.' || referring_host THEN NULL ELSE referring_host END) AS place
                    FROM (
                        SELECT
                            *,
                            nullif(lower(texts[3] COLLATE "und-x-icu") COLLATE "C", '') AS tag_source,
                            nullif(lower(texts[4] COLLATE "und-x-icu") COLLATE "C", '') AS tag_medium,
                            nullif(texts[5], '') AS tag_campaign,
                            nullif(texts[10], '') AS tag_click,
                            nullif(nullif(texts[8], '$direct'), '') AS referring_domain,
                            nullif(regexp_replace(regexp_replace(lower(texts[8] COLLATE "und-x-icu") COLLATE "C", ':[0-9]+$', ''), '^www\.', ''), '') AS referring_host,
                            nullif(regexp_replace(regexp_replace(lower(texts[9] COLLATE "und-x-icu") COLLATE "C", ':[0-9]+$', ''), '^www\.', ''), '') AS own_host
                        FROM (
                            SELECT DISTINCT texts
                                        FROM new_sessions
                                        WHERE NOT EXISTS (SELECT FROM session_origins WHERE session_origins.texts = new_sessions.texts)
                        ) AS sessions
                    ) AS given
                ) AS placed
                LEFT JOIN referrers AS of_place ON of_place.domain = place
                LEFT JOIN referrers AS parent_3 ON parent_3.domain = substring(place FROM '(?:[^.]+\.){2}[^.]+$') AND parent_3.subdomains
                LEFT JOIN referrers AS parent_2 ON parent_2.domain = substring(place FROM '(?:[^.]+\.){1}[^.]+$') AND parent_2.subdomains
            ) AS known
        ) AS sessions_with_channel
    ) AS origins
),
all_origins AS NOT MATERIALIZED (
    SELECT origin_id, texts, channel, referring_site FROM session_origins
    UNION ALL
    SELECT origin_id, texts, channel, referring_site FROM new_origins
),
touched AS MATERIALIZED (
    SELECT session_index.ctid AS row_place, session_index.*
    FROM new_sessions
    JOIN session_index USING (site_id, session_id)
),
merged_sessions AS MATERIALIZED (
    SELECT
        site_id,
        session_id,
        started,
        ended,
        CAST(extract(epoch FROM ended - started) * 1000000 AS bigint) AS duration,
        events,
        pages,
        leaves,
        bot_events,
        entry_at,
        entry_received,
        entry_place,
        entry_path,
        origin,
        exit_at,
        exit_received,
        exit_place,
        exit_path,
        CASE WHEN pages <= 1000 AND cardinality(steps) <= 32 THEN steps END AS trail
    FROM (
        SELECT
            new.site_id,
            new.session_id,
            least(new.started, old.started) AS started,
            greatest(new.ended, old.ended) AS ended,
            new.events + coalesce(old.events, 0) AS events,
            new.pages + coalesce(old.pages, 0) AS pages,
            new.leaves + coalesce(old.leaves, 0) AS leaves,
            new.bot_events + coalesce(old.bot_events, 0) AS bot_events,
            CASE WHEN old.session_id IS NULL OR ROW(new.pages = 0, new.entry_at, new.entry_received, new.entry_place) < ROW(old.pages = 0, old.entry_at, old.entry_received, old.entry_place) THEN new.entry_at ELSE old.entry_at END AS entry_at,
            CASE WHEN old.session_id IS NULL OR ROW(new.pages = 0, new.entry_at, new.entry_received, new.entry_place) < ROW(old.pages = 0, old.entry_at, old.entry_received, old.entry_place) THEN new.entry_received ELSE old.entry_received END AS entry_received,
            CASE WHEN old.session_id IS NULL OR ROW(new.pages = 0, new.entry_at, new.entry_received, new.entry_place) < ROW(old.pages = 0, old.entry_at, old.entry_received, old.entry_place) THEN new.entry_place ELSE old.entry_place END AS entry_place,
            CASE WHEN old.session_id IS NULL OR ROW(new.pages = 0, new.entry_at, new.entry_received, new.entry_place) < ROW(old.pages = 0, old.entry_at, old.entry_received, old.entry_place) THEN new.entry_path ELSE old.entry_path END AS entry_path,
            CASE WHEN old.session_id IS NULL OR ROW(new.pages = 0, new.entry_at, new.entry_received, new.entry_place) < ROW(old.pages = 0, old.entry_at, old.entry_received, old.entry_place) THEN new.origin ELSE old.origin END AS origin,
            CASE WHEN old.session_id IS NULL OR ROW(new.pages > 0, new.exit_at, new.exit_received, new.exit_place) > ROW(old.pages > 0, old.exit_at, old.exit_received, old.exit_place) THEN new.exit_at ELSE old.exit_at END AS exit_at,
            CASE WHEN old.session_id IS NULL OR ROW(new.pages > 0, new.exit_at, new.exit_received, new.exit_place) > ROW(old.pages > 0, old.exit_at, old.exit_received, old.exit_place) THEN new.exit_received ELSE old.exit_received END AS exit_received,
            CASE WHEN old.session_id IS NULL OR ROW(new.pages > 0, new.exit_at, new.exit_received, new.exit_place) > ROW(old.pages > 0, old.exit_at, old.exit_received, old.exit_place) THEN new.exit_place ELSE old.exit_place END AS exit_place,
            CASE WHEN old.session_id IS NULL OR ROW(new.pages > 0, new.exit_at, new.exit_received, new.exit_place) > ROW(old.pages > 0, old.exit_at, old.exit_received, old.exit_place) THEN new.exit_path ELSE old.exit_path END AS exit_path,
            CASE
                    WHEN old.session_id IS NULL THEN new.trail
                    WHEN old.trail IS NULL OR new.trail IS NULL THEN NULL
                    WHEN new.started > old.ended THEN old.trail || CASE WHEN old.trail[cardinality(old.trail)] = new.trail[1] THEN new.trail[2:] ELSE new.trail END
                    WHEN old.started > new.ended THEN new.trail || CASE WHEN new.trail[cardinality(new.trail)] = old.trail[1] THEN old.trail[2:] ELSE old.trail END
                END AS steps
        FROM (
                SELECT new_sessions.*, origin_id AS origin
                FROM new_sessions
                JOIN all_origins ON all_origins.texts = new_sessions.texts
            ) AS new
        LEFT JOIN touched AS old ON old.session_id = new.session_id AND old.site_id = new.site_id
    ) AS merged
),
session_rows AS NOT MATERIALIZED (
    SELECT site_id, session_id, started, ended, duration, events, pages, leaves, bot_events, entry_at, entry_received, entry_place, entry_path, origin, exit_at, exit_received, exit_place, exit_path, trail
    FROM session_index
    WHERE ctid NOT IN (SELECT row_place FROM touched)
    UNION ALL
    SELECT site_id, session_id, started, ended, duration, events, pages, leaves, bot_events, entry_at, entry_received, entry_place, entry_path, origin, exit_at, exit_received, exit_place, exit_path, trail
    FROM merged_sessions
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
        origins.channel
    FROM session_rows AS rows
    JOIN all_origins AS origins ON origins.origin_id = rows.origin
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
    WHERE site_id = CAST($13 AS text)
        AND ended - started >= INTERVAL '24 hours'
        AND ((started < CAST($14 AS timestamptz) AND ended >= CAST($16 AS timestamptz)) OR (started < CAST($17 AS timestamptz) AND ended >= CAST($15 AS timestamptz)))
),
changed_counts AS MATERIALIZED (
    SELECT
        site_id,
        date_bin('1 hour', started, '2000-01-01Z') AS hour,
        kind,
        value,
        session_pages > 0 AS viewed,
        bot_events = session_events AS bot,
        CAST(sum(sign) AS bigint) AS sessions,
        CAST(sum(sign * CAST(session_pages = 1 AS integer)) AS bigint) AS one_page,
        CAST(sum(sign * CAST(session_pages = 1 AND session_events - leaves = 1 AS integer)) AS bigint) AS one_event,
        CAST(sum(sign * session_duration) AS bigint) AS duration,
        CAST(sum(sign * session_pages) AS bigint) AS pages,
        CAST(sum(sign * session_events) AS bigint) AS events,
        CAST(coalesce(sum(sign) FILTER (WHERE class = 0), 0) AS integer) AS lasting_0,
        CAST(coalesce(sum(sign) FILTER (WHERE class = 1), 0) AS integer) AS lasting_1,
        CAST(coalesce(sum(sign) FILTER (WHERE class = 2), 0) AS integer) AS lasting_2,
        CAST(coalesce(sum(sign) FILTER (WHERE class = 3), 0) AS integer) AS lasting_3,
        CAST(coalesce(sum(sign) FILTER (WHERE class = 4), 0) AS integer) AS lasting_4,
        CAST(coalesce(sum(sign) FILTER (WHERE class = 5), 0) AS integer) AS lasting_5,
        CAST(coalesce(sum(sign) FILTER (WHERE class = 6), 0) AS integer) AS lasting_6,
        CAST(coalesce(sum(sign) FILTER (WHERE class = 7), 0) AS integer) AS lasting_7,
        CAST(coalesce(sum(sign) FILTER (WHERE class = 8), 0) AS integer) AS lasting_8,
        CAST(coalesce(sum(sign) FILTER (WHERE class = 9), 0) AS integer) AS lasting_9,
        CAST(coalesce(sum(sign) FILTER (WHERE class = 10), 0) AS integer) AS lasting_10,
        CAST(coalesce(sum(sign) FILTER (WHERE class = 11), 0) AS integer) AS lasting_11,
        CAST(coalesce(sum(sign) FILTER (WHERE class = 12), 0) AS integer) AS lasting_12,
        CAST(coalesce(sum(sign) FILTER (WHERE class = 13), 0) AS integer) AS lasting_13,
        CAST(coalesce(sum(sign) FILTER (WHERE class = 14), 0) AS integer) AS lasting_14,
        CAST(coalesce(sum(sign) FILTER (WHERE class = 15), 0) AS integer) AS lasting_15,
        CAST(coalesce(sum(sign) FILTER (WHERE class = 16), 0) AS integer) AS lasting_16,
        CAST(coalesce(sum(sign) FILTER (WHERE class = 17), 0) AS integer) AS lasting_17,
        CAST(coalesce(sum(sign) FILTER (WHERE class = 18), 0) AS integer) AS lasting_18,
        CAST(coalesce(sum(sign) FILTER (WHERE class = 19), 0) AS integer) AS lasting_19,
        CAST(coalesce(sum(sign) FILTER (WHERE class = 20), 0) AS integer) AS lasting_20,
        CAST(coalesce(sum(sign) FILTER (WHERE class = 21), 0) AS integer) AS lasting_21,
        CAST(coalesce(sum(sign) FILTER (WHERE class = 22), 0) AS integer) AS lasting_22,
        CAST(coalesce(sum(sign) FILTER (WHERE class = 23), 0) AS integer) AS lasting_23,
        CAST(coalesce(sum(sign) FILTER (WHERE class = 24), 0) AS integer) AS lasting_24,
        CAST(coalesce(sum(sign) FILTER (WHERE class = 25), 0) AS integer) AS lasting_25,
        CAST(coalesce(sum(sign) FILTER (WHERE class = 26), 0) AS integer) AS lasting_26,
        CAST(coalesce(sum(sign) FILTER (WHERE class = 27), 0) AS integer) AS lasting_27,
        CAST(coalesce(sum(sign) FILTER (WHERE class = 28), 0) AS integer) AS lasting_28,
        CAST(coalesce(sum(sign) FILTER (WHERE class = 29), 0) AS integer) AS lasting_29,
        CAST(coalesce(sum(sign) FILTER (WHERE class = 30), 0) AS integer) AS lasting_30,
        CAST(coalesce(sum(sign) FILTER (WHERE class = 31), 0) AS integer) AS lasting_31
    FROM (
        SELECT site_id, started, duration AS session_duration, events AS session_events, pages AS session_pages, leaves, bot_events, entry_path, exit_path, origin, width_bucket(duration, CAST(ARRAY[1, 1000000, 5000000, 10000000, 20000000, 30000000, 45000000, 60000000, 80000000, 100000000, 120000000, 150000000, 180000000, 210000000, 240000000, 270000000, 300000000, 330000000, 360000000, 400000000, 440000000, 480000000, 540000000, 600000000, 720000000, 900000000, 1200000000, 1500000000, 1800000000, 2700000000, 3600000000] AS bigint[])) AS class, -1 AS sign FROM touched
        UNION ALL
        SELECT site_id, started, duration AS session_duration, events AS session_events, pages AS session_pages, leaves, bot_events, entry_path, exit_path, origin, width_bucket(duration, CAST(ARRAY[1, 1000000, 5000000, 10000000, 20000000, 30000000, 45000000, 60000000, 80000000, 100000000, 120000000, 150000000, 180000000, 210000000, 240000000, 270000000, 300000000, 330000000, 360000000, 400000000, 440000000, 480000000, 540000000, 600000000, 720000000, 900000000, 1200000000, 1500000000, 1800000000, 2700000000, 3600000000] AS bigint[])) AS class, 1 FROM merged_sessions
    ) AS changed_sessions
    CROSS JOIN LATERAL (
        VALUES (CAST(3 AS smallint), origin)
    ) AS counted (kind, value)
    GROUP BY 1, 2, 3, 4, 5, 6
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
        origins.channel
    FROM (SELECT site_id, hour, kind, value, viewed, bot, sessions, one_page, one_event, duration, pages, events, lasting_0, lasting_1, lasting_2, lasting_3, lasting_4, lasting_5, lasting_6, lasting_7, lasting_8, lasting_9, lasting_10, lasting_11, lasting_12, lasting_13, lasting_14, lasting_15, lasting_16, lasting_17, lasting_18, lasting_19, lasting_20, lasting_21, lasting_22, lasting_23, lasting_24, lasting_25, lasting_26, lasting_27, lasting_28, lasting_29, lasting_30, lasting_31 FROM session_counts UNION ALL SELECT * FROM changed_counts) AS counts
    JOIN all_origins AS origins ON origins.origin_id = counts.value
    WHERE kind = 3
),
events_of_sessions AS NOT MATERIALIZED (
    SELECT
        session_id,
        timestamp,
        received_at,
        ctid,
        CASE WHEN name IN (CAST($7 AS text), CAST($8 AS text), CAST($9 AS text)) THEN 1 ELSE 0 END AS page,
        property_text(properties, CAST($1 AS text) COLLATE "C") AS text_0,
        property_text(properties, CAST($2 AS text) COLLATE "C") AS text_1,
        property_text(properties, CAST($3 AS text) COLLATE "C") AS text_2,
        property_text(properties, CAST($4 AS text) COLLATE "C") AS text_3,
        property_text(properties, CAST($5 AS text) COLLATE "C") AS text_4,
        property_text(properties, CAST($6 AS text) COLLATE "C") AS text_5
    FROM events
    WHERE site_id = CAST($13 AS text)
        AND timestamp >= CAST($14 AS timestamptz)
        AND timestamp < CAST($15 AS timestamptz)
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
        min(timestamp) AS started,
        CAST(extract(epoch FROM max(timestamp)) * 1000000 AS bigint) - CAST(extract(epoch FROM min(timestamp)) * 1000000 AS bigint) AS duration,
        count(*) AS events,
        count(*) FILTER (WHERE page = 1) AS pages,
        (array_agg(ARRAY[text_0, text_1, text_2, text_3, text_4, text_5] ORDER BY page DESC, timestamp, received_at, ctid))[1:1] AS entry_event
    FROM events_of_sessions
    GROUP BY session_id
    HAVING min(timestamp) >= CAST($16 AS timestamptz)
        AND min(timestamp) < CAST($17 AS timestamptz)
),
events_of_visits AS NOT MATERIALIZED (
    SELECT
        user_id,
        visit,
        timestamp,
        received_at,
        ctid,
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
        min(timestamp) AS started,
        CAST(extract(epoch FROM max(timestamp)) * 1000000 AS bigint) - CAST(extract(epoch FROM min(timestamp)) * 1000000 AS bigint) AS duration,
        count(*) AS events,
        count(*) FILTER (WHERE page = 1) AS pages,
        (array_agg(ARRAY[text_0, text_1, text_2, text_3, text_4, text_5] ORDER BY page DESC, timestamp, received_at, ctid))[1:1] AS entry_event
    FROM events_of_visits
    GROUP BY user_id, visit
    HAVING min(timestamp) >= CAST($16 AS timestamptz)
        AND min(timestamp) < CAST($17 AS timestamptz)
),
sessions AS (
    SELECT
        sessions,
        CASE WHEN viewed THEN sessions ELSE 0 END AS viewed,
        one_page AS bounced,
        duration,
        pages,
        events,
        CASE WHEN viewed OR channel <> 'direct' THEN channel END AS dim_0
    FROM indexed_counts
    WHERE site_id = CAST($13 AS text)
        AND hour >= CAST($16 AS timestamptz)
        AND hour < CAST($17 AS timestamptz)
    UNION ALL
    SELECT
        -(1) AS sessions,
        -(CASE WHEN pages > 0 THEN 1 ELSE 0 END) AS viewed,
        -(CASE WHEN pages = 1 THEN 1 ELSE 0 END) AS bounced,
        -(duration) AS duration,
        -(pages) AS pages,
        -(events) AS events,
        dim_0
    FROM (
        SELECT
            duration,
            events,
            pages,
            CASE WHEN pages > 0 OR channel <> 'direct' THEN channel END AS dim_0
        FROM (
            SELECT DISTINCT session_id
            FROM long_sessions
        ) AS long_keys
        JOIN (SELECT * FROM indexed_sessions WHERE site_id = CAST($13 AS text)) AS indexed_sessions USING (session_id)
        WHERE started >= CAST($16 AS timestamptz)
            AND started < CAST($17 AS timestamptz)
    ) AS single_sessions
    UNION ALL
    SELECT
        1 AS sessions,
        CASE WHEN pages > 0 THEN 1 ELSE 0 END AS viewed,
        CASE WHEN pages = 1 THEN 1 ELSE 0 END AS bounced,
        duration AS duration,
        pages AS pages,
        events AS events,
        dim_0
    FROM (
        SELECT
            duration,
            events,
            pages,
            CASE WHEN pages > 0 OR channel <> 'direct' THEN channel END AS dim_0
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
                    coalesce(of_place.kind, CASE WHEN place ~ '^(?:web|w)?e?-?mail(?:business|er)?[0-9]*\.[^.]+\.|^lightmailer(?:-[a-z]+)?\.[^.]+\.|^deref-[a-z0-9-]+\.|^outlook\.(?:live|office|office365)\.|^com\.google\.android\.gm$' THEN 'email' END, parent_3.kind, parent_2.kind) AS kind
                FROM (
                    SELECT
                        *,
                        CASE WHEN referring_domain IS NULL OR right('.' || referring_host, length(own_host) + 1) = '.' || own_host OR right('.' || own_host, length(referring_host) + 1) = '.' || referring_host THEN NULL ELSE referring_domain END AS external_referrer,
                        coalesce(referring_host ~ '^(?:web|w)?e?-?mail(?:business|er)?[0-9]*\.[^.]+\.|^lightmailer(?:-[a-z]+)?\.[^.]+\.|^deref-[a-z0-9-]+\.|^outlook\.(?:live|office|office365)\.|^com\.google\.android\.gm$', FALSE) AS from_mail,
                        coalesce(regexp_replace(regexp_replace(lower(tag_source COLLATE "und-x-icu") COLLATE "C", ':[0-9]+$', ''), '^www\.', ''), CASE WHEN referring_domain IS NULL OR right('.' || referring_host, length(own_host) + 1) = '.' || own_host OR right('.' || own_host, length(referring_host) + 1) = '.' || referring_host THEN NULL ELSE referring_host END) AS place
                    FROM (
                        SELECT
                            *,
                            nullif(lower(entry_event[1][1] COLLATE "und-x-icu") COLLATE "C", '') AS tag_source,
                            nullif(lower(entry_event[1][2] COLLATE "und-x-icu") COLLATE "C", '') AS tag_medium,
                            nullif(entry_event[1][3], '') AS tag_campaign,
                            nullif(entry_event[1][4], '') AS tag_click,
                            nullif(nullif(entry_event[1][5], '$direct'), '') AS referring_domain,
                            nullif(regexp_replace(regexp_replace(lower(entry_event[1][5] COLLATE "und-x-icu") COLLATE "C", ':[0-9]+$', ''), '^www\.', ''), '') AS referring_host,
                            nullif(regexp_replace(regexp_replace(lower(entry_event[1][6] COLLATE "und-x-icu") COLLATE "C", ':[0-9]+$', ''), '^www\.', ''), '') AS own_host
                        FROM (
                            SELECT * FROM sessions_with_id
                            UNION ALL
                            SELECT * FROM visits
                        ) AS sessions
                    ) AS given
                ) AS placed
                LEFT JOIN referrers AS of_place ON of_place.domain = place
                LEFT JOIN referrers AS parent_3 ON parent_3.domain = substring(place FROM '(?:[^.]+\.){2}[^.]+$') AND parent_3.subdomains
                LEFT JOIN referrers AS parent_2 ON parent_2.domain = substring(place FROM '(?:[^.]+\.){1}[^.]+$') AND parent_2.subdomains
            ) AS known
        ) AS computed_sessions
    ) AS single_sessions
)
SELECT
    dim_0,
    coalesce(CAST(sum(sessions) AS BIGINT), 0) AS metric_0
FROM sessions
GROUP BY dim_0
HAVING sum(sessions) > 0
ORDER BY sum(sessions) DESC, dim_0 NULLS LAST
LIMIT 100

-- $1: 'utm_source'
-- $2: 'utm_medium'
-- $3: 'utm_campaign'
-- $4: '$ad_click'
-- $5: '$referring_domain'
-- $6: '$host'
-- $7: 'page_view'
-- $8: '$pageview'
-- $9: 'pageview'
-- $10: 'page_leave'
-- $11: '$pageleave'
-- $12: 'pageleave'
-- $13: 'default'
-- $14: datetime.datetime(2025, 4, 30, 0, 0, tzinfo=datetime.timezone.utc)
-- $15: datetime.datetime(2025, 6, 2, 0, 0, tzinfo=datetime.timezone.utc)
-- $16: datetime.datetime(2025, 5, 1, 0, 0, tzinfo=datetime.timezone.utc)
-- $17: datetime.datetime(2025, 6, 1, 0, 0, tzinfo=datetime.timezone.utc)

WITH loose_events AS (
    SELECT
        site_id,
        user_id,
        timestamp,
        received_at,
        ctid,
        name IN (CAST($4 AS text), CAST($5 AS text), CAST($6 AS text)) AS is_leave,
        CASE WHEN name IN (CAST($1 AS text), CAST($2 AS text), CAST($3 AS text)) AND path IS NOT NULL THEN path END AS node
    FROM events
    WHERE timestamp < CAST($7 AS timestamptz)
        AND session_id IS NULL
        AND user_id IS NOT NULL
),
events_of_loose_users AS (
    SELECT
        site_id,
        user_id,
        timestamp,
        received_at,
        ctid,
        NULL AS session_id,
        is_leave,
        node
    FROM loose_events
    UNION ALL
    SELECT
        site_id,
        user_id,
        timestamp,
        received_at,
        ctid,
        session_id,
        FALSE,
        NULL
    FROM events
    WHERE timestamp < CAST($7 AS timestamptz)
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
    WINDOW events_of_user AS (PARTITION BY site_id, user_id ORDER BY timestamp, received_at, ctid)
),
stretches AS MATERIALIZED (
    SELECT
        *,
        sum(starts_visit) OVER (PARTITION BY site_id, user_id ORDER BY timestamp, received_at, ctid ROWS UNBOUNDED PRECEDING) AS visit
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
        stretches.received_at,
        stretches.ctid,
        stretches.visit,
        stretches.node,
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
        rows.trail
    FROM session_rows AS rows
),
indexed_paths AS NOT MATERIALIZED (
    SELECT path_id, path FROM all_paths
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
    WHERE started < CAST($7 AS timestamptz)
        AND NOT (trail IS NOT NULL AND ended < CAST($7 AS timestamptz) AND cardinality(trail) = pages)
),
trail_step_counts AS MATERIALIZED (
    SELECT step, previous_paths.path AS previous_node, paths.path AS node, sessions
    FROM (
        SELECT
            CASE not_grouped_by WHEN 7 THEN 1 WHEN 19 THEN 2 WHEN 25 THEN 3 WHEN 28 THEN 4 END AS step,
            CASE not_grouped_by WHEN 7 THEN page_2 WHEN 19 THEN page_3 WHEN 25 THEN page_4 WHEN 28 THEN page_5 END AS previous_id,
            CASE not_grouped_by WHEN 7 THEN page_1 WHEN 19 THEN page_2 WHEN 25 THEN page_3 WHEN 28 THEN page_4 END AS path_id,
            sessions
        FROM (
            SELECT page_1, page_2, page_3, page_4, page_5, GROUPING(page_1, page_2, page_3, page_4, page_5) AS not_grouped_by, count(*) AS sessions
            FROM (
                SELECT
                    trail[anchored - 0] AS page_1,
                    trail[anchored - 1] AS page_2,
                    trail[anchored - 2] AS page_3,
                    trail[anchored - 3] AS page_4,
                    trail[anchored - 4] AS page_5
                FROM (
                    SELECT trail, array_position(trail, (SELECT path_id FROM indexed_paths WHERE path = CAST($8 AS text))) AS anchored
                    FROM (SELECT * FROM indexed_sessions WHERE (site_id, session_id) NOT IN (SELECT site_id, session_id FROM joined_sessions)) AS indexed_sessions
                    WHERE trail IS NOT NULL
                        AND ended < CAST($7 AS timestamptz)
                        AND cardinality(trail) = pages
                        AND array_position(trail, (SELECT path_id FROM indexed_paths WHERE path = CAST($8 AS text))) IS NOT NULL
                    OFFSET '0'
                ) AS trails
                OFFSET '0'
            ) AS pages_of_trails
            GROUP BY GROUPING SETS ((page_2, page_1), (page_3, page_2), (page_4, page_3), (page_5, page_4))
        ) AS grouped_steps
    ) AS counted_steps
    JOIN indexed_paths AS paths USING (path_id)
    LEFT JOIN indexed_paths AS previous_paths ON previous_paths.path_id = previous_id
),
events_of_sessions AS NOT MATERIALIZED (
    SELECT
        site_id,
        session_id,
        timestamp,
        received_at,
        ctid,
        path AS node
    FROM events
    WHERE timestamp < CAST($7 AS timestamptz)
        AND session_id IS NOT NULL
        AND EXISTS (SELECT FROM long_sessions)
        AND (site_id, session_id) IN (SELECT site_id, session_id FROM long_sessions)
        AND name IN (CAST($1 AS text), CAST($2 AS text), CAST($3 AS text))
        AND path IS NOT NULL
    UNION ALL
    SELECT
        site_id,
        session_id,
        timestamp,
        received_at,
        ctid,
        node
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
        ctid,
        node
    FROM attributed_events
    WHERE session_id IS NULL
),
steps_without_trail AS MATERIALIZED (
    SELECT site_id, session_id AS visitor, CAST(0 AS BIGINT) AS visit, timestamp, received_at, ctid, node
    FROM events_of_sessions
    WHERE node IS NOT NULL
        AND (site_id, session_id) IN (
            SELECT site_id, session_id
            FROM events_of_sessions
            WHERE node IS NOT NULL
                AND node = CAST($8 AS text)
        )
    UNION ALL
    SELECT site_id, user_id AS visitor, CAST(visit AS BIGINT) AS visit, timestamp, received_at, ctid, node
    FROM events_of_visits
    WHERE node IS NOT NULL
),
codes AS MATERIALIZED (
    SELECT node, CAST(row_number() OVER (ORDER BY node) AS INTEGER) AS code
    FROM (
        SELECT node FROM trail_step_counts
        UNION
        SELECT previous_node FROM trail_step_counts WHERE previous_node IS NOT NULL
        UNION
        SELECT node FROM steps_without_trail
    ) AS nodes
),
session_steps AS (
    SELECT site_id, visitor, visit, timestamp, received_at, ctid, code
    FROM steps_without_trail JOIN codes USING (node)
),
steps AS (
    SELECT
        site_id, visitor, visit,
        timestamp,
        received_at,
        ctid,
        code,
        lag(code, 1, 0) OVER steps_of_session AS previous_code,
        CAST(row_number() OVER steps_of_session AS INTEGER) AS position
    FROM session_steps
    WINDOW steps_of_session AS (PARTITION BY site_id, visitor, visit ORDER BY timestamp, received_at, ctid)
),
event_step_counts AS MATERIALIZED (
    SELECT anchor_position - position + 1 AS step, previous_code, code, count(*) AS sessions
    FROM (
        SELECT
            position,
            code,
            previous_code,
            min(
                CASE WHEN code = (SELECT code FROM codes WHERE node = CAST($8 AS text)) THEN position END
            ) OVER (PARTITION BY site_id, visitor, visit) AS anchor_position
        FROM steps
    ) AS anchored_steps
    WHERE anchor_position - position + 1 BETWEEN 1 AND 4
    GROUP BY anchor_position - position + 1, previous_code, code
),
step_counts AS MATERIALIZED (
    SELECT step, previous_code, code, CAST(sum(sessions) AS BIGINT) AS sessions
    FROM (
        SELECT step, previous_code, code, sessions
        FROM event_step_counts
        UNION ALL
        SELECT step, coalesce(previous_codes.code, 0), codes.code, sessions
        FROM trail_step_counts
        JOIN codes ON codes.node = trail_step_counts.node
        LEFT JOIN codes AS previous_codes ON previous_codes.node = trail_step_counts.previous_node
    ) AS both_counts
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
        CAST(sum(sessions) AS BIGINT) AS sessions,
        rank > 20 AS other
    FROM ranked_edges
    GROUP BY step, kept_source, kept_target, other
)
SELECT step, sources.node, targets.node, sessions, other
FROM kept_edges
LEFT JOIN codes AS sources ON sources.code = kept_source
LEFT JOIN codes AS targets ON targets.code = kept_target
ORDER BY step, other, sessions DESC, kept_source NULLS LAST, kept_target NULLS LAST

-- $1: 'page_view'
-- $2: '$pageview'
-- $3: 'pageview'
-- $4: 'page_leave'
-- $5: '$pageleave'
-- $6: 'pageleave'
-- $7: datetime.datetime(2025, 6, 1, 0, 0, tzinfo=datetime.timezone.utc)
-- $8: '/buy'

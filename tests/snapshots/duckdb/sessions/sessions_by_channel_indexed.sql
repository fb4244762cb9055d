WITH new_sessions AS MATERIALIZED (
    SELECT site_id, session_id, started, ended, events, pages, entry_at, entry_id, CASE WHEN coalesce(utm_source, utm_medium, utm_campaign, ad_click, referrer) IS NULL THEN 'direct' ELSE CASE
        WHEN lower(utm_source) IN ('email', 'e-mail', 'e_mail', 'newsletter') OR lower(utm_medium) IN ('email', 'e-mail', 'e_mail', 'newsletter') OR ('.' || nullif(nullif(referrer, '$direct'), '') LIKE '%.mail.google.com' OR '.' || nullif(nullif(referrer, '$direct'), '') LIKE '%.mail.yahoo.com' OR '.' || nullif(nullif(referrer, '$direct'), '') LIKE '%.outlook.live.com' OR '.' || nullif(nullif(referrer, '$direct'), '') LIKE '%.outlook.office.com' OR '.' || nullif(nullif(referrer, '$direct'), '') LIKE '%.mail.proton.me' OR '.' || nullif(nullif(referrer, '$direct'), '') LIKE '%.mail.aol.com' OR '.' || nullif(nullif(referrer, '$direct'), '') LIKE '%.com.google.android.gm') THEN 'email'
        WHEN utm_source <> '' OR utm_medium <> '' OR utm_campaign <> '' OR ad_click <> '' THEN 'campaign'
        WHEN ('.' || nullif(nullif(referrer, '$direct'), '') LIKE '%.google.%' OR '.' || nullif(nullif(referrer, '$direct'), '') LIKE '%.bing.com' OR '.' || nullif(nullif(referrer, '$direct'), '') LIKE '%.duckduckgo.com' OR '.' || nullif(nullif(referrer, '$direct'), '') LIKE '%.yahoo.%' OR '.' || nullif(nullif(referrer, '$direct'), '') LIKE '%.yandex.%' OR '.' || nullif(nullif(referrer, '$direct'), '') LIKE '%.baidu.com' OR '.' || nullif(nullif(referrer, '$direct'), '') LIKE '%.ecosia.org' OR '.' || nullif(nullif(referrer, '$direct'), '') LIKE '%.startpage.com' OR '.' || nullif(nullif(referrer, '$direct'), '') LIKE '%.qwant.com' OR '.' || nullif(nullif(referrer, '$direct'), '') LIKE '%.search.brave.com' OR '.' || nullif(nullif(referrer, '$direct'), '') LIKE '%.kagi.com' OR '.' || nullif(nullif(referrer, '$direct'), '') LIKE '%.naver.com' OR '.' || nullif(nullif(referrer, '$direct'), '') LIKE '%.seznam.cz' OR '.' || nullif(nullif(referrer, '$direct'), '') LIKE '%.sogou.com' OR '.' || nullif(nullif(referrer, '$direct'), '') LIKE '%.ask.com') THEN 'search'
        WHEN ('.' || nullif(nullif(referrer, '$direct'), '') LIKE '%.facebook.com' OR '.' || nullif(nullif(referrer, '$direct'), '') LIKE '%.instagram.com' OR '.' || nullif(nullif(referrer, '$direct'), '') LIKE '%.threads.net' OR '.' || nullif(nullif(referrer, '$direct'), '') LIKE '%.t.co' OR '.' || nullif(nullif(referrer, '$direct'), '') LIKE '%.twitter.com' OR '.' || nullif(nullif(referrer, '$direct'), '') LIKE '%.x.com' OR '.' || nullif(nullif(referrer, '$direct'), '') LIKE '%.linkedin.com' OR '.' || nullif(nullif(referrer, '$direct'), '') LIKE '%.lnkd.in' OR '.' || nullif(nullif(referrer, '$direct'), '') LIKE '%.reddit.com' OR '.' || nullif(nullif(referrer, '$direct'), '') LIKE '%.youtube.com' OR '.' || nullif(nullif(referrer, '$direct'), '') LIKE '%.youtu.be' OR '.' || nullif(nullif(referrer, '$direct'), '') LIKE '%.pinterest.%' OR '.' || nullif(nullif(referrer, '$direct'), '') LIKE '%.tiktok.com' OR '.' || nullif(nullif(referrer, '$direct'), '') LIKE '%.bsky.app' OR '.' || nullif(nullif(referrer, '$direct'), '') LIKE '%.mastodon.social' OR '.' || nullif(nullif(referrer, '$direct'), '') LIKE '%.vk.com' OR '.' || nullif(nullif(referrer, '$direct'), '') LIKE '%.ok.ru' OR '.' || nullif(nullif(referrer, '$direct'), '') LIKE '%.weibo.com' OR '.' || nullif(nullif(referrer, '$direct'), '') LIKE '%.snapchat.com' OR '.' || nullif(nullif(referrer, '$direct'), '') LIKE '%.tumblr.com' OR '.' || nullif(nullif(referrer, '$direct'), '') LIKE '%.quora.com' OR '.' || nullif(nullif(referrer, '$direct'), '') LIKE '%.whatsapp.com' OR '.' || nullif(nullif(referrer, '$direct'), '') LIKE '%.t.me' OR '.' || nullif(nullif(referrer, '$direct'), '') LIKE '%.discord.com' OR '.' || nullif(nullif(referrer, '$direct'), '') LIKE '%.news.ycombinator.com') THEN 'social'
        WHEN nullif(nullif(referrer, '$direct'), '') IS NOT NULL THEN 'referral'
        ELSE 'direct' END END AS channel, exit_at, exit_id, exit_path
    FROM (
        SELECT *, (json_extract_string(properties, ['/utm_source', '/utm_medium', '/utm_campaign', '/utm_term', '/utm_content', '/$referring_domain', '/$ad_click']))[1] AS utm_source, (json_extract_string(properties, ['/utm_source', '/utm_medium', '/utm_campaign', '/utm_term', '/utm_content', '/$referring_domain', '/$ad_click']))[2] AS utm_medium, (json_extract_string(properties, ['/utm_source', '/utm_medium', '/utm_campaign', '/utm_term', '/utm_content', '/$referring_domain', '/$ad_click']))[3] AS utm_campaign, (json_extract_string(properties, ['/utm_source', '/utm_medium', '/utm_campaign', '/utm_term', '/utm_content', '/$referring_domain', '/$ad_click']))[4] AS utm_term, (json_extract_string(properties, ['/utm_source', '/utm_medium', '/utm_campaign', '/utm_term', '/utm_content', '/$referring_domain', '/$ad_click']))[5] AS utm_content, (json_extract_string(properties, ['/utm_source', '/utm_medium', '/utm_campaign', '/utm_term', '/utm_content', '/$referring_domain', '/$ad_click']))[6] AS referrer, (json_extract_string(properties, ['/utm_source', '/utm_medium', '/utm_campaign', '/utm_term', '/utm_content', '/$referring_domain', '/$ad_click']))[7] AS ad_click
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
                    arg_min({entry_at: timestamp, entry_id: event_id, properties: properties}, ROW(-page, timestamp, event_id)) AS entry,
                    arg_max({exit_at: timestamp, exit_id: event_id, exit_path: path}, ROW(page, timestamp, event_id)) AS exit,
                FROM (
                    SELECT *, CASE WHEN name IN ('page_view', '$pageview', 'pageview') THEN 1 ELSE 0 END AS page
                    FROM events
                    WHERE session_id IS NOT NULL AND rowid >= 1000
                ) AS visited
                GROUP BY site_id, session_id
            ) AS packed
        ) AS unpacked
    ) AS sessions
    LIMIT 7
),
touched AS MATERIALIZED (
    SELECT rowid AS part, site_id, session_id, started, ended, events, pages, entry_at, entry_id, channel, exit_at, exit_id, exit_path
    FROM session_parts SEMI JOIN new_sessions USING (site_id, session_id)
    WHERE rowid IN (SELECT rowid FROM session_parts WHERE session_hash IN (SELECT CAST(hash(site_id, session_id) >> 32 AS UINTEGER) FROM new_sessions))
),
indexed_sessions AS NOT MATERIALIZED (
    SELECT site_id, session_id, started, ended, events, pages, entry_at, entry_id, channel, exit_at, exit_id, exit_path
    FROM session_parts ANTI JOIN touched ON touched.part = session_parts.rowid
    UNION ALL
    SELECT site_id, session_id, started, ended, events, pages, entry_at, entry_id, channel, exit_at, exit_id, exit_path
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
                CASE WHEN old.part IS NULL OR ROW(new.pages = 0, new.entry_at, new.entry_id) < ROW(old.pages = 0, old.entry_at, old.entry_id) THEN {entry_at: new.entry_at, entry_id: new.entry_id, channel: new.channel} ELSE {entry_at: old.entry_at, entry_id: old.entry_id, channel: old.channel} END AS entry,
                CASE WHEN old.part IS NULL OR ROW(new.pages > 0, new.exit_at, new.exit_id) > ROW(old.pages > 0, old.exit_at, old.exit_id) THEN {exit_at: new.exit_at, exit_id: new.exit_id, exit_path: new.exit_path} ELSE {exit_at: old.exit_at, exit_id: old.exit_id, exit_path: old.exit_path} END AS exit,
            FROM new_sessions AS new
            LEFT JOIN touched AS old USING (site_id, session_id)
        ) AS packed
    ) AS continued
),
long_sessions AS MATERIALIZED (
    SELECT site_id, session_id
    FROM indexed_sessions
    WHERE ((started < $1 AND ended >= $2) OR (started < $3 AND ended >= $4))
),
events_with_session_id AS NOT MATERIALIZED (
    SELECT
        site_id,
        session_id,
        timestamp,
        CASE WHEN name IN ($10, $11, $12) THEN 1 ELSE 0 END AS page,
        event_id,
        json_extract_string(properties, $5) AS text_0,
        json_extract_string(properties, $6) AS text_1,
        json_extract_string(properties, $7) AS text_2,
        json_extract_string(properties, $8) AS text_3,
        json_extract_string(properties, $9) AS text_4,
        path AS text_5
    FROM events
    WHERE timestamp >= $1
        AND timestamp < $4
        AND session_id IS NOT NULL
        AND (site_id, session_id) IN (SELECT site_id, session_id FROM long_sessions)
),
sessions_with_id AS NOT MATERIALIZED (
    SELECT
        min(timestamp) AS started,
        epoch_us(max(timestamp)) - epoch_us(min(timestamp)) AS duration,
        count(*) AS events,
        count(*) FILTER (WHERE page = 1) AS pages,
        arg_min([text_0, text_1, text_2, text_3, text_4], ROW(-page, timestamp, event_id)) AS entry_event,
        arg_max([text_5], ROW(page, timestamp, event_id)) AS exit_event
    FROM events_with_session_id
    GROUP BY site_id, session_id
    HAVING min(timestamp) >= $2
        AND min(timestamp) < $3
),
events_without_session_id AS NOT MATERIALIZED (
    SELECT
        site_id,
        user_id,
        timestamp,
        CASE WHEN name IN ($10, $11, $12) THEN 1 ELSE 0 END AS page,
        event_id,
        json_extract_string(properties, $5) AS text_0,
        json_extract_string(properties, $6) AS text_1,
        json_extract_string(properties, $7) AS text_2,
        json_extract_string(properties, $8) AS text_3,
        json_extract_string(properties, $9) AS text_4,
        path AS text_5,
        CASE
            WHEN timestamp <= lag(timestamp) OVER events_of_user + INTERVAL '30 minutes' THEN 0
            ELSE 1
        END AS starts_visit
    FROM events
    WHERE timestamp >= $1
        AND timestamp < $4
        AND session_id IS NULL
        AND user_id IS NOT NULL
    WINDOW events_of_user AS (PARTITION BY site_id, user_id ORDER BY timestamp)
),
events_of_visits AS NOT MATERIALIZED (
    SELECT *, sum(starts_visit) OVER (PARTITION BY site_id, user_id ORDER BY timestamp) AS visit
    FROM events_without_session_id
),
visits AS NOT MATERIALIZED (
    SELECT
        min(timestamp) AS started,
        epoch_us(max(timestamp)) - epoch_us(min(timestamp)) AS duration,
        count(*) AS events,
        count(*) FILTER (WHERE page = 1) AS pages,
        arg_min([text_0, text_1, text_2, text_3, text_4], ROW(-page, timestamp, event_id)) AS entry_event,
        arg_max([text_5], ROW(page, timestamp, event_id)) AS exit_event
    FROM events_of_visits
    GROUP BY site_id, user_id, visit
    HAVING min(timestamp) >= $2
        AND min(timestamp) < $3
),
sessions AS MATERIALIZED (
    SELECT
        epoch_us(ended) - epoch_us(started) AS duration,
        events,
        pages,
        channel AS dim_0,
        exit_path AS dim_1
    FROM indexed_sessions
    WHERE started >= $2
        AND started < $3
        AND ended < $4
    UNION ALL
    SELECT
        duration,
        events,
        pages,
        CASE
            WHEN lower(entry_event[1]) IN ('email', 'e-mail', 'e_mail', 'newsletter') OR lower(entry_event[2]) IN ('email', 'e-mail', 'e_mail', 'newsletter') OR ('.' || nullif(nullif(entry_event[5], '$direct'), '') LIKE '%.mail.google.com' OR '.' || nullif(nullif(entry_event[5], '$direct'), '') LIKE '%.mail.yahoo.com' OR '.' || nullif(nullif(entry_event[5], '$direct'), '') LIKE '%.outlook.live.com' OR '.' || nullif(nullif(entry_event[5], '$direct'), '') LIKE '%.outlook.office.com' OR '.' || nullif(nullif(entry_event[5], '$direct'), '') LIKE '%.mail.proton.me' OR '.' || nullif(nullif(entry_event[5], '$direct'), '') LIKE '%.mail.aol.com' OR '.' || nullif(nullif(entry_event[5], '$direct'), '') LIKE '%.com.google.android.gm') THEN 'email'
            WHEN entry_event[1] <> '' OR entry_event[2] <> '' OR entry_event[3] <> '' OR entry_event[4] <> '' THEN 'campaign'
            WHEN ('.' || nullif(nullif(entry_event[5], '$direct'), '') LIKE '%.google.%' OR '.' || nullif(nullif(entry_event[5], '$direct'), '') LIKE '%.bing.com' OR '.' || nullif(nullif(entry_event[5], '$direct'), '') LIKE '%.duckduckgo.com' OR '.' || nullif(nullif(entry_event[5], '$direct'), '') LIKE '%.yahoo.%' OR '.' || nullif(nullif(entry_event[5], '$direct'), '') LIKE '%.yandex.%' OR '.' || nullif(nullif(entry_event[5], '$direct'), '') LIKE '%.baidu.com' OR '.' || nullif(nullif(entry_event[5], '$direct'), '') LIKE '%.ecosia.org' OR '.' || nullif(nullif(entry_event[5], '$direct'), '') LIKE '%.startpage.com' OR '.' || nullif(nullif(entry_event[5], '$direct'), '') LIKE '%.qwant.com' OR '.' || nullif(nullif(entry_event[5], '$direct'), '') LIKE '%.search.brave.com' OR '.' || nullif(nullif(entry_event[5], '$direct'), '') LIKE '%.kagi.com' OR '.' || nullif(nullif(entry_event[5], '$direct'), '') LIKE '%.naver.com' OR '.' || nullif(nullif(entry_event[5], '$direct'), '') LIKE '%.seznam.cz' OR '.' || nullif(nullif(entry_event[5], '$direct'), '') LIKE '%.sogou.com' OR '.' || nullif(nullif(entry_event[5], '$direct'), '') LIKE '%.ask.com') THEN 'search'
            WHEN ('.' || nullif(nullif(entry_event[5], '$direct'), '') LIKE '%.facebook.com' OR '.' || nullif(nullif(entry_event[5], '$direct'), '') LIKE '%.instagram.com' OR '.' || nullif(nullif(entry_event[5], '$direct'), '') LIKE '%.threads.net' OR '.' || nullif(nullif(entry_event[5], '$direct'), '') LIKE '%.t.co' OR '.' || nullif(nullif(entry_event[5], '$direct'), '') LIKE '%.twitter.com' OR '.' || nullif(nullif(entry_event[5], '$direct'), '') LIKE '%.x.com' OR '.' || nullif(nullif(entry_event[5], '$direct'), '') LIKE '%.linkedin.com' OR '.' || nullif(nullif(entry_event[5], '$direct'), '') LIKE '%.lnkd.in' OR '.' || nullif(nullif(entry_event[5], '$direct'), '') LIKE '%.reddit.com' OR '.' || nullif(nullif(entry_event[5], '$direct'), '') LIKE '%.youtube.com' OR '.' || nullif(nullif(entry_event[5], '$direct'), '') LIKE '%.youtu.be' OR '.' || nullif(nullif(entry_event[5], '$direct'), '') LIKE '%.pinterest.%' OR '.' || nullif(nullif(entry_event[5], '$direct'), '') LIKE '%.tiktok.com' OR '.' || nullif(nullif(entry_event[5], '$direct'), '') LIKE '%.bsky.app' OR '.' || nullif(nullif(entry_event[5], '$direct'), '') LIKE '%.mastodon.social' OR '.' || nullif(nullif(entry_event[5], '$direct'), '') LIKE '%.vk.com' OR '.' || nullif(nullif(entry_event[5], '$direct'), '') LIKE '%.ok.ru' OR '.' || nullif(nullif(entry_event[5], '$direct'), '') LIKE '%.weibo.com' OR '.' || nullif(nullif(entry_event[5], '$direct'), '') LIKE '%.snapchat.com' OR '.' || nullif(nullif(entry_event[5], '$direct'), '') LIKE '%.tumblr.com' OR '.' || nullif(nullif(entry_event[5], '$direct'), '') LIKE '%.quora.com' OR '.' || nullif(nullif(entry_event[5], '$direct'), '') LIKE '%.whatsapp.com' OR '.' || nullif(nullif(entry_event[5], '$direct'), '') LIKE '%.t.me' OR '.' || nullif(nullif(entry_event[5], '$direct'), '') LIKE '%.discord.com' OR '.' || nullif(nullif(entry_event[5], '$direct'), '') LIKE '%.news.ycombinator.com') THEN 'social'
            WHEN nullif(nullif(entry_event[5], '$direct'), '') IS NOT NULL THEN 'referral'
            ELSE 'direct' END AS dim_0,
        exit_event[1] AS dim_1
    FROM (
        SELECT * FROM sessions_with_id
        UNION ALL
        SELECT * FROM visits
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
    CAST(count(*) FILTER (WHERE pages = 1) AS DOUBLE PRECISION) / nullif(count(*), 0) AS metric_1,
    quantile_cont(CAST(duration AS DOUBLE PRECISION), 0.5) / 1000000 AS metric_2,
    CAST(sum(pages) AS DOUBLE PRECISION) / nullif(count(*), 0) AS metric_3,
    rank IS NULL AS other
FROM sessions LEFT JOIN top_groups ON sessions.dim_0 IS NOT DISTINCT FROM top_groups.dim_0 AND sessions.dim_1 IS NOT DISTINCT FROM top_groups.dim_1
GROUP BY rank, top_groups.dim_0, top_groups.dim_1
ORDER BY rank NULLS LAST
LIMIT 100001

-- $1: datetime.datetime(2025, 4, 30, 0, 0)
-- $2: datetime.datetime(2025, 5, 1, 0, 0)
-- $3: datetime.datetime(2025, 6, 1, 0, 0)
-- $4: datetime.datetime(2025, 6, 2, 0, 0)
-- $5: '/utm_source'
-- $6: '/utm_medium'
-- $7: '/utm_campaign'
-- $8: '/$ad_click'
-- $9: '/$referring_domain'
-- $10: 'page_view'
-- $11: '$pageview'
-- $12: 'pageview'

WITH events_with_session_id AS NOT MATERIALIZED (
    SELECT
        site_id,
        session_id,
        timestamp,
        CASE WHEN name IN ($6, $7, $8) THEN 1 ELSE 0 END AS page,
        event_id,
        json_extract_string(properties, $1) AS text_0,
        json_extract_string(properties, $2) AS text_1,
        json_extract_string(properties, $3) AS text_2,
        json_extract_string(properties, $4) AS text_3,
        json_extract_string(properties, $5) AS text_4,
        path AS text_5,
        (json_extract_string(properties, $9) = $10 AND left(CAST(json_extract(properties, $9) AS VARCHAR), 1) = '"') AS matches
    FROM events
    WHERE timestamp >= $13
        AND timestamp < $14
        AND session_id IS NOT NULL
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
    HAVING min(timestamp) >= $11
        AND min(timestamp) < $12
        AND bool_or(matches)
),
events_without_session_id AS NOT MATERIALIZED (
    SELECT
        site_id,
        user_id,
        timestamp,
        CASE WHEN name IN ($6, $7, $8) THEN 1 ELSE 0 END AS page,
        event_id,
        json_extract_string(properties, $1) AS text_0,
        json_extract_string(properties, $2) AS text_1,
        json_extract_string(properties, $3) AS text_2,
        json_extract_string(properties, $4) AS text_3,
        json_extract_string(properties, $5) AS text_4,
        path AS text_5,
        (json_extract_string(properties, $9) = $10 AND left(CAST(json_extract(properties, $9) AS VARCHAR), 1) = '"') AS matches,
        CASE
            WHEN timestamp <= lag(timestamp) OVER events_of_user + INTERVAL '30 minutes' THEN 0
            ELSE 1
        END AS starts_visit
    FROM events
    WHERE timestamp >= $13
        AND timestamp < $14
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
    HAVING min(timestamp) >= $11
        AND min(timestamp) < $12
        AND bool_or(matches)
),
sessions AS MATERIALIZED (
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

-- $1: '/utm_source'
-- $2: '/utm_medium'
-- $3: '/utm_campaign'
-- $4: '/$ad_click'
-- $5: '/$referring_domain'
-- $6: 'page_view'
-- $7: '$pageview'
-- $8: 'pageview'
-- $9: '/plan'
-- $10: 'pro'
-- $11: datetime.datetime(2025, 5, 1, 0, 0)
-- $12: datetime.datetime(2025, 6, 1, 0, 0)
-- $13: datetime.datetime(2025, 4, 30, 0, 0)
-- $14: datetime.datetime(2025, 6, 2, 0, 0)

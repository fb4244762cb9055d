WITH events_with_session_id AS NOT MATERIALIZED (
    SELECT
        site_id,
        session_id,
        timestamp,
        CASE WHEN name IN (CAST($6 AS text), CAST($7 AS text), CAST($8 AS text)) THEN 1 ELSE 0 END AS page,
        event_id,
        property_text(properties, CAST($1 AS text) COLLATE "C") AS text_0,
        property_text(properties, CAST($2 AS text) COLLATE "C") AS text_1,
        property_text(properties, CAST($3 AS text) COLLATE "C") AS text_2,
        property_text(properties, CAST($4 AS text) COLLATE "C") AS text_3,
        property_text(properties, CAST($5 AS text) COLLATE "C") AS text_4,
        path AS text_5,
        (properties ->> CAST($9 AS text) COLLATE "C" = CAST($10 AS text) AND json_typeof(properties -> CAST($9 AS text) COLLATE "C") = 'string') AS matches
    FROM events
    WHERE timestamp >= CAST($13 AS timestamptz)
        AND timestamp < CAST($14 AS timestamptz)
        AND session_id IS NOT NULL
),
sessions_with_id AS NOT MATERIALIZED (
    SELECT
        min(timestamp) AS started,
        CAST(extract(epoch FROM max(timestamp)) * 1000000 AS bigint) - CAST(extract(epoch FROM min(timestamp)) * 1000000 AS bigint) AS duration,
        count(*) AS events,
        count(*) FILTER (WHERE page = 1) AS pages,
        (array_agg(ARRAY[text_0, text_1, text_2, text_3, text_4] ORDER BY page DESC, timestamp, event_id))[1:1] AS entry_event,
        (array_agg(ARRAY[text_5] ORDER BY page DESC, timestamp DESC, event_id DESC))[1:1] AS exit_event
    FROM events_with_session_id
    GROUP BY site_id, session_id
    HAVING min(timestamp) >= CAST($11 AS timestamptz)
        AND min(timestamp) < CAST($12 AS timestamptz)
        AND bool_or(matches)
),
events_without_session_id AS NOT MATERIALIZED (
    SELECT
        site_id,
        user_id,
        timestamp,
        CASE WHEN name IN (CAST($6 AS text), CAST($7 AS text), CAST($8 AS text)) THEN 1 ELSE 0 END AS page,
        event_id,
        property_text(properties, CAST($1 AS text) COLLATE "C") AS text_0,
        property_text(properties, CAST($2 AS text) COLLATE "C") AS text_1,
        property_text(properties, CAST($3 AS text) COLLATE "C") AS text_2,
        property_text(properties, CAST($4 AS text) COLLATE "C") AS text_3,
        property_text(properties, CAST($5 AS text) COLLATE "C") AS text_4,
        path AS text_5,
        (properties ->> CAST($9 AS text) COLLATE "C" = CAST($10 AS text) AND json_typeof(properties -> CAST($9 AS text) COLLATE "C") = 'string') AS matches,
        CASE
            WHEN timestamp <= lag(timestamp) OVER events_of_user + INTERVAL '30 minutes' THEN 0
            ELSE 1
        END AS starts_visit
    FROM events
    WHERE timestamp >= CAST($13 AS timestamptz)
        AND timestamp < CAST($14 AS timestamptz)
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
        CAST(extract(epoch FROM max(timestamp)) * 1000000 AS bigint) - CAST(extract(epoch FROM min(timestamp)) * 1000000 AS bigint) AS duration,
        count(*) AS events,
        count(*) FILTER (WHERE page = 1) AS pages,
        (array_agg(ARRAY[text_0, text_1, text_2, text_3, text_4] ORDER BY page DESC, timestamp, event_id))[1:1] AS entry_event,
        (array_agg(ARRAY[text_5] ORDER BY page DESC, timestamp DESC, event_id DESC))[1:1] AS exit_event
    FROM events_of_visits
    GROUP BY site_id, user_id, visit
    HAVING min(timestamp) >= CAST($11 AS timestamptz)
        AND min(timestamp) < CAST($12 AS timestamptz)
        AND bool_or(matches)
),
sessions AS MATERIALIZED (
    SELECT
        duration,
        events,
        pages,
        CASE
            WHEN lower(entry_event[1][1] COLLATE "und-x-icu") COLLATE "C" IN ('email', 'e-mail', 'e_mail', 'newsletter') OR lower(entry_event[1][2] COLLATE "und-x-icu") COLLATE "C" IN ('email', 'e-mail', 'e_mail', 'newsletter') OR ('.' || nullif(nullif(entry_event[1][5], '$direct'), '') LIKE '%.mail.google.com' OR '.' || nullif(nullif(entry_event[1][5], '$direct'), '') LIKE '%.mail.yahoo.com' OR '.' || nullif(nullif(entry_event[1][5], '$direct'), '') LIKE '%.outlook.live.com' OR '.' || nullif(nullif(entry_event[1][5], '$direct'), '') LIKE '%.outlook.office.com' OR '.' || nullif(nullif(entry_event[1][5], '$direct'), '') LIKE '%.mail.proton.me' OR '.' || nullif(nullif(entry_event[1][5], '$direct'), '') LIKE '%.mail.aol.com' OR '.' || nullif(nullif(entry_event[1][5], '$direct'), '') LIKE '%.com.google.android.gm') THEN 'email'
            WHEN entry_event[1][1] <> '' OR entry_event[1][2] <> '' OR entry_event[1][3] <> '' OR entry_event[1][4] <> '' THEN 'campaign'
            WHEN ('.' || nullif(nullif(entry_event[1][5], '$direct'), '') LIKE '%.google.%' OR '.' || nullif(nullif(entry_event[1][5], '$direct'), '') LIKE '%.bing.com' OR '.' || nullif(nullif(entry_event[1][5], '$direct'), '') LIKE '%.duckduckgo.com' OR '.' || nullif(nullif(entry_event[1][5], '$direct'), '') LIKE '%.yahoo.%' OR '.' || nullif(nullif(entry_event[1][5], '$direct'), '') LIKE '%.yandex.%' OR '.' || nullif(nullif(entry_event[1][5], '$direct'), '') LIKE '%.baidu.com' OR '.' || nullif(nullif(entry_event[1][5], '$direct'), '') LIKE '%.ecosia.org' OR '.' || nullif(nullif(entry_event[1][5], '$direct'), '') LIKE '%.startpage.com' OR '.' || nullif(nullif(entry_event[1][5], '$direct'), '') LIKE '%.qwant.com' OR '.' || nullif(nullif(entry_event[1][5], '$direct'), '') LIKE '%.search.brave.com' OR '.' || nullif(nullif(entry_event[1][5], '$direct'), '') LIKE '%.kagi.com' OR '.' || nullif(nullif(entry_event[1][5], '$direct'), '') LIKE '%.naver.com' OR '.' || nullif(nullif(entry_event[1][5], '$direct'), '') LIKE '%.seznam.cz' OR '.' || nullif(nullif(entry_event[1][5], '$direct'), '') LIKE '%.sogou.com' OR '.' || nullif(nullif(entry_event[1][5], '$direct'), '') LIKE '%.ask.com') THEN 'search'
            WHEN ('.' || nullif(nullif(entry_event[1][5], '$direct'), '') LIKE '%.facebook.com' OR '.' || nullif(nullif(entry_event[1][5], '$direct'), '') LIKE '%.instagram.com' OR '.' || nullif(nullif(entry_event[1][5], '$direct'), '') LIKE '%.threads.net' OR '.' || nullif(nullif(entry_event[1][5], '$direct'), '') LIKE '%.t.co' OR '.' || nullif(nullif(entry_event[1][5], '$direct'), '') LIKE '%.twitter.com' OR '.' || nullif(nullif(entry_event[1][5], '$direct'), '') LIKE '%.x.com' OR '.' || nullif(nullif(entry_event[1][5], '$direct'), '') LIKE '%.linkedin.com' OR '.' || nullif(nullif(entry_event[1][5], '$direct'), '') LIKE '%.lnkd.in' OR '.' || nullif(nullif(entry_event[1][5], '$direct'), '') LIKE '%.reddit.com' OR '.' || nullif(nullif(entry_event[1][5], '$direct'), '') LIKE '%.youtube.com' OR '.' || nullif(nullif(entry_event[1][5], '$direct'), '') LIKE '%.youtu.be' OR '.' || nullif(nullif(entry_event[1][5], '$direct'), '') LIKE '%.pinterest.%' OR '.' || nullif(nullif(entry_event[1][5], '$direct'), '') LIKE '%.tiktok.com' OR '.' || nullif(nullif(entry_event[1][5], '$direct'), '') LIKE '%.bsky.app' OR '.' || nullif(nullif(entry_event[1][5], '$direct'), '') LIKE '%.mastodon.social' OR '.' || nullif(nullif(entry_event[1][5], '$direct'), '') LIKE '%.vk.com' OR '.' || nullif(nullif(entry_event[1][5], '$direct'), '') LIKE '%.ok.ru' OR '.' || nullif(nullif(entry_event[1][5], '$direct'), '') LIKE '%.weibo.com' OR '.' || nullif(nullif(entry_event[1][5], '$direct'), '') LIKE '%.snapchat.com' OR '.' || nullif(nullif(entry_event[1][5], '$direct'), '') LIKE '%.tumblr.com' OR '.' || nullif(nullif(entry_event[1][5], '$direct'), '') LIKE '%.quora.com' OR '.' || nullif(nullif(entry_event[1][5], '$direct'), '') LIKE '%.whatsapp.com' OR '.' || nullif(nullif(entry_event[1][5], '$direct'), '') LIKE '%.t.me' OR '.' || nullif(nullif(entry_event[1][5], '$direct'), '') LIKE '%.discord.com' OR '.' || nullif(nullif(entry_event[1][5], '$direct'), '') LIKE '%.news.ycombinator.com') THEN 'social'
            WHEN nullif(nullif(entry_event[1][5], '$direct'), '') IS NOT NULL THEN 'referral'
            ELSE 'direct' END AS dim_0,
        exit_event[1][1] AS dim_1
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
    percentile_cont(0.5) WITHIN GROUP (ORDER BY CAST(duration AS DOUBLE PRECISION)) / 1000000 AS metric_2,
    CAST(sum(pages) AS DOUBLE PRECISION) / nullif(count(*), 0) AS metric_3,
    rank IS NULL AS other
FROM sessions LEFT JOIN top_groups ON coalesce(sessions.dim_0, '') = coalesce(top_groups.dim_0, '') AND (sessions.dim_0 IS NULL) = (top_groups.dim_0 IS NULL) AND coalesce(sessions.dim_1, '') = coalesce(top_groups.dim_1, '') AND (sessions.dim_1 IS NULL) = (top_groups.dim_1 IS NULL)
GROUP BY rank, top_groups.dim_0, top_groups.dim_1
ORDER BY rank NULLS LAST
LIMIT 100001

-- $1: 'utm_source'
-- $2: 'utm_medium'
-- $3: 'utm_campaign'
-- $4: '$ad_click'
-- $5: '$referring_domain'
-- $6: 'page_view'
-- $7: '$pageview'
-- $8: 'pageview'
-- $9: 'plan'
-- $10: 'pro'
-- $11: datetime.datetime(2025, 5, 1, 0, 0, tzinfo=datetime.timezone.utc)
-- $12: datetime.datetime(2025, 6, 1, 0, 0, tzinfo=datetime.timezone.utc)
-- $13: datetime.datetime(2025, 4, 30, 0, 0, tzinfo=datetime.timezone.utc)
-- $14: datetime.datetime(2025, 6, 2, 0, 0, tzinfo=datetime.timezone.utc)

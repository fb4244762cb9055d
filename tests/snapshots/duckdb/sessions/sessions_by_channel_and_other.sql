WITH sessions AS MATERIALIZED (
  SELECT lasted, events, pages, CASE
    WHEN lower(entry_event[1]) IN ('email', 'e-mail', 'e_mail', 'newsletter') OR lower(entry_event[2]) IN ('email', 'e-mail', 'e_mail', 'newsletter') OR ('.' || nullif(nullif(entry_event[5], '$direct'), '') LIKE '%.mail.google.com' OR '.' || nullif(nullif(entry_event[5], '$direct'), '') LIKE '%.mail.yahoo.com' OR '.' || nullif(nullif(entry_event[5], '$direct'), '') LIKE '%.outlook.live.com' OR '.' || nullif(nullif(entry_event[5], '$direct'), '') LIKE '%.outlook.office.com' OR '.' || nullif(nullif(entry_event[5], '$direct'), '') LIKE '%.mail.proton.me' OR '.' || nullif(nullif(entry_event[5], '$direct'), '') LIKE '%.mail.aol.com' OR '.' || nullif(nullif(entry_event[5], '$direct'), '') LIKE '%.com.google.android.gm') THEN 'email'
    WHEN entry_event[1] <> '' OR entry_event[2] <> '' OR entry_event[3] <> '' OR entry_event[4] <> '' THEN 'campaign'
    WHEN ('.' || nullif(nullif(entry_event[5], '$direct'), '') LIKE '%.google.%' OR '.' || nullif(nullif(entry_event[5], '$direct'), '') LIKE '%.bing.com' OR '.' || nullif(nullif(entry_event[5], '$direct'), '') LIKE '%.duckduckgo.com' OR '.' || nullif(nullif(entry_event[5], '$direct'), '') LIKE '%.yahoo.%' OR '.' || nullif(nullif(entry_event[5], '$direct'), '') LIKE '%.yandex.%' OR '.' || nullif(nullif(entry_event[5], '$direct'), '') LIKE '%.baidu.com' OR '.' || nullif(nullif(entry_event[5], '$direct'), '') LIKE '%.ecosia.org' OR '.' || nullif(nullif(entry_event[5], '$direct'), '') LIKE '%.startpage.com' OR '.' || nullif(nullif(entry_event[5], '$direct'), '') LIKE '%.qwant.com' OR '.' || nullif(nullif(entry_event[5], '$direct'), '') LIKE '%.search.brave.com' OR '.' || nullif(nullif(entry_event[5], '$direct'), '') LIKE '%.kagi.com' OR '.' || nullif(nullif(entry_event[5], '$direct'), '') LIKE '%.naver.com' OR '.' || nullif(nullif(entry_event[5], '$direct'), '') LIKE '%.seznam.cz' OR '.' || nullif(nullif(entry_event[5], '$direct'), '') LIKE '%.sogou.com' OR '.' || nullif(nullif(entry_event[5], '$direct'), '') LIKE '%.ask.com') THEN 'search'
    WHEN ('.' || nullif(nullif(entry_event[5], '$direct'), '') LIKE '%.facebook.com' OR '.' || nullif(nullif(entry_event[5], '$direct'), '') LIKE '%.instagram.com' OR '.' || nullif(nullif(entry_event[5], '$direct'), '') LIKE '%.threads.net' OR '.' || nullif(nullif(entry_event[5], '$direct'), '') LIKE '%.t.co' OR '.' || nullif(nullif(entry_event[5], '$direct'), '') LIKE '%.twitter.com' OR '.' || nullif(nullif(entry_event[5], '$direct'), '') LIKE '%.x.com' OR '.' || nullif(nullif(entry_event[5], '$direct'), '') LIKE '%.linkedin.com' OR '.' || nullif(nullif(entry_event[5], '$direct'), '') LIKE '%.lnkd.in' OR '.' || nullif(nullif(entry_event[5], '$direct'), '') LIKE '%.reddit.com' OR '.' || nullif(nullif(entry_event[5], '$direct'), '') LIKE '%.youtube.com' OR '.' || nullif(nullif(entry_event[5], '$direct'), '') LIKE '%.youtu.be' OR '.' || nullif(nullif(entry_event[5], '$direct'), '') LIKE '%.pinterest.%' OR '.' || nullif(nullif(entry_event[5], '$direct'), '') LIKE '%.tiktok.com' OR '.' || nullif(nullif(entry_event[5], '$direct'), '') LIKE '%.bsky.app' OR '.' || nullif(nullif(entry_event[5], '$direct'), '') LIKE '%.mastodon.social' OR '.' || nullif(nullif(entry_event[5], '$direct'), '') LIKE '%.vk.com' OR '.' || nullif(nullif(entry_event[5], '$direct'), '') LIKE '%.ok.ru' OR '.' || nullif(nullif(entry_event[5], '$direct'), '') LIKE '%.weibo.com' OR '.' || nullif(nullif(entry_event[5], '$direct'), '') LIKE '%.snapchat.com' OR '.' || nullif(nullif(entry_event[5], '$direct'), '') LIKE '%.tumblr.com' OR '.' || nullif(nullif(entry_event[5], '$direct'), '') LIKE '%.quora.com' OR '.' || nullif(nullif(entry_event[5], '$direct'), '') LIKE '%.whatsapp.com' OR '.' || nullif(nullif(entry_event[5], '$direct'), '') LIKE '%.t.me' OR '.' || nullif(nullif(entry_event[5], '$direct'), '') LIKE '%.discord.com' OR '.' || nullif(nullif(entry_event[5], '$direct'), '') LIKE '%.news.ycombinator.com') THEN 'social'
    WHEN nullif(nullif(entry_event[5], '$direct'), '') IS NOT NULL THEN 'referral'
    ELSE 'direct'
END AS d0, exit_event[1] AS d1
  FROM (
  SELECT min(timestamp) AS started, epoch_us(max(timestamp)) - epoch_us(min(timestamp)) AS lasted, count(*) AS events, count(*) FILTER (WHERE page = 1) AS pages, arg_min([e0, e1, e2, e3, e4], ROW(-page, timestamp, event_id)) AS entry_event, arg_max([e5], ROW(page, timestamp, event_id)) AS exit_event
  FROM (
    SELECT site_id, session_id, timestamp, CASE WHEN name IN ($6, $7, $8) THEN 1 ELSE 0 END AS page, event_id, json_extract_string(properties, $1) AS e0, json_extract_string(properties, $2) AS e1, json_extract_string(properties, $3) AS e2, json_extract_string(properties, $4) AS e3, json_extract_string(properties, $5) AS e4, path AS e5, (json_extract_string(properties, $9) = $10 AND left(CAST(json_extract(properties, $9) AS VARCHAR), 1) = '"') AS picked
    FROM events WHERE timestamp >= $13 AND timestamp < $14 AND session_id IS NOT NULL
  ) AS visited
  GROUP BY site_id, session_id
  HAVING min(timestamp) >= $11 AND min(timestamp) < $12 AND bool_or(picked)
  UNION ALL
  SELECT min(timestamp) AS started, epoch_us(max(timestamp)) - epoch_us(min(timestamp)) AS lasted, count(*) AS events, count(*) FILTER (WHERE page = 1) AS pages, arg_min([e0, e1, e2, e3, e4], ROW(-page, timestamp, event_id)) AS entry_event, arg_max([e5], ROW(page, timestamp, event_id)) AS exit_event
  FROM (
    SELECT *, sum(fresh) OVER (PARTITION BY site_id, user_id ORDER BY timestamp) AS visit
    FROM (
      SELECT site_id, user_id, timestamp, CASE WHEN name IN ($6, $7, $8) THEN 1 ELSE 0 END AS page, event_id, json_extract_string(properties, $1) AS e0, json_extract_string(properties, $2) AS e1, json_extract_string(properties, $3) AS e2, json_extract_string(properties, $4) AS e3, json_extract_string(properties, $5) AS e4, path AS e5, (json_extract_string(properties, $9) = $10 AND left(CAST(json_extract(properties, $9) AS VARCHAR), 1) = '"') AS picked, CASE WHEN timestamp <= lag(timestamp) OVER (PARTITION BY site_id, user_id ORDER BY timestamp) + INTERVAL '30 minutes' THEN 0 ELSE 1 END AS fresh
      FROM events WHERE timestamp >= $13 AND timestamp < $14 AND session_id IS NULL AND user_id IS NOT NULL
    ) AS paused
  ) AS visited
  GROUP BY site_id, user_id, visit
  HAVING min(timestamp) >= $11 AND min(timestamp) < $12 AND bool_or(picked)
  ) AS made
),
ranked AS (
  SELECT d0, d1, row_number() OVER (ORDER BY count(*) DESC, d0 NULLS LAST, d1 NULLS LAST) AS place
  FROM sessions
  GROUP BY d0, d1
  ORDER BY place
  LIMIT 5
)
SELECT ranked.d0, ranked.d1, count(*) AS m0, CAST(count(*) FILTER (WHERE pages = 1) AS DOUBLE PRECISION) / nullif(count(*), 0) AS m1, quantile_cont(CAST(lasted AS DOUBLE PRECISION), 0.5) / 1000000 AS m2, CAST(sum(pages) AS DOUBLE PRECISION) / nullif(count(*), 0) AS m3, place IS NULL AS other
FROM sessions LEFT JOIN ranked ON sessions.d0 IS NOT DISTINCT FROM ranked.d0 AND sessions.d1 IS NOT DISTINCT FROM ranked.d1
GROUP BY place, ranked.d0, ranked.d1
ORDER BY place NULLS LAST
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

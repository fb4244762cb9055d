WITH tail AS MATERIALIZED (
  SELECT site_id, session_id, started, ended, events, pages, entry_at, entry_id, CASE WHEN coalesce(utm_source, utm_medium, utm_campaign, ad_click, referrer) IS NULL THEN 'direct' ELSE CASE
    WHEN lower(utm_source) IN ('email', 'e-mail', 'e_mail', 'newsletter') OR lower(utm_medium) IN ('email', 'e-mail', 'e_mail', 'newsletter') OR ('.' || nullif(nullif(referrer, '$direct'), '') LIKE '%.mail.google.com' OR '.' || nullif(nullif(referrer, '$direct'), '') LIKE '%.mail.yahoo.com' OR '.' || nullif(nullif(referrer, '$direct'), '') LIKE '%.outlook.live.com' OR '.' || nullif(nullif(referrer, '$direct'), '') LIKE '%.outlook.office.com' OR '.' || nullif(nullif(referrer, '$direct'), '') LIKE '%.mail.proton.me' OR '.' || nullif(nullif(referrer, '$direct'), '') LIKE '%.mail.aol.com' OR '.' || nullif(nullif(referrer, '$direct'), '') LIKE '%.com.google.android.gm') THEN 'email'
    WHEN utm_source <> '' OR utm_medium <> '' OR utm_campaign <> '' OR ad_click <> '' THEN 'campaign'
    WHEN ('.' || nullif(nullif(referrer, '$direct'), '') LIKE '%.google.%' OR '.' || nullif(nullif(referrer, '$direct'), '') LIKE '%.bing.com' OR '.' || nullif(nullif(referrer, '$direct'), '') LIKE '%.duckduckgo.com' OR '.' || nullif(nullif(referrer, '$direct'), '') LIKE '%.yahoo.%' OR '.' || nullif(nullif(referrer, '$direct'), '') LIKE '%.yandex.%' OR '.' || nullif(nullif(referrer, '$direct'), '') LIKE '%.baidu.com' OR '.' || nullif(nullif(referrer, '$direct'), '') LIKE '%.ecosia.org' OR '.' || nullif(nullif(referrer, '$direct'), '') LIKE '%.startpage.com' OR '.' || nullif(nullif(referrer, '$direct'), '') LIKE '%.qwant.com' OR '.' || nullif(nullif(referrer, '$direct'), '') LIKE '%.search.brave.com' OR '.' || nullif(nullif(referrer, '$direct'), '') LIKE '%.kagi.com' OR '.' || nullif(nullif(referrer, '$direct'), '') LIKE '%.naver.com' OR '.' || nullif(nullif(referrer, '$direct'), '') LIKE '%.seznam.cz' OR '.' || nullif(nullif(referrer, '$direct'), '') LIKE '%.sogou.com' OR '.' || nullif(nullif(referrer, '$direct'), '') LIKE '%.ask.com') THEN 'search'
    WHEN ('.' || nullif(nullif(referrer, '$direct'), '') LIKE '%.facebook.com' OR '.' || nullif(nullif(referrer, '$direct'), '') LIKE '%.instagram.com' OR '.' || nullif(nullif(referrer, '$direct'), '') LIKE '%.threads.net' OR '.' || nullif(nullif(referrer, '$direct'), '') LIKE '%.t.co' OR '.' || nullif(nullif(referrer, '$direct'), '') LIKE '%.twitter.com' OR '.' || nullif(nullif(referrer, '$direct'), '') LIKE '%.x.com' OR '.' || nullif(nullif(referrer, '$direct'), '') LIKE '%.linkedin.com' OR '.' || nullif(nullif(referrer, '$direct'), '') LIKE '%.lnkd.in' OR '.' || nullif(nullif(referrer, '$direct'), '') LIKE '%.reddit.com' OR '.' || nullif(nullif(referrer, '$direct'), '') LIKE '%.youtube.com' OR '.' || nullif(nullif(referrer, '$direct'), '') LIKE '%.youtu.be' OR '.' || nullif(nullif(referrer, '$direct'), '') LIKE '%.pinterest.%' OR '.' || nullif(nullif(referrer, '$direct'), '') LIKE '%.tiktok.com' OR '.' || nullif(nullif(referrer, '$direct'), '') LIKE '%.bsky.app' OR '.' || nullif(nullif(referrer, '$direct'), '') LIKE '%.mastodon.social' OR '.' || nullif(nullif(referrer, '$direct'), '') LIKE '%.vk.com' OR '.' || nullif(nullif(referrer, '$direct'), '') LIKE '%.ok.ru' OR '.' || nullif(nullif(referrer, '$direct'), '') LIKE '%.weibo.com' OR '.' || nullif(nullif(referrer, '$direct'), '') LIKE '%.snapchat.com' OR '.' || nullif(nullif(referrer, '$direct'), '') LIKE '%.tumblr.com' OR '.' || nullif(nullif(referrer, '$direct'), '') LIKE '%.quora.com' OR '.' || nullif(nullif(referrer, '$direct'), '') LIKE '%.whatsapp.com' OR '.' || nullif(nullif(referrer, '$direct'), '') LIKE '%.t.me' OR '.' || nullif(nullif(referrer, '$direct'), '') LIKE '%.discord.com' OR '.' || nullif(nullif(referrer, '$direct'), '') LIKE '%.news.ycombinator.com') THEN 'social'
    WHEN nullif(nullif(referrer, '$direct'), '') IS NOT NULL THEN 'referral'
    ELSE 'direct'
END END AS channel, exit_at, exit_id, exit_path
  FROM (SELECT *, (json_extract_string(properties, ['/utm_source', '/utm_medium', '/utm_campaign', '/utm_term', '/utm_content', '/$referring_domain', '/$ad_click']))[1] AS utm_source, (json_extract_string(properties, ['/utm_source', '/utm_medium', '/utm_campaign', '/utm_term', '/utm_content', '/$referring_domain', '/$ad_click']))[2] AS utm_medium, (json_extract_string(properties, ['/utm_source', '/utm_medium', '/utm_campaign', '/utm_term', '/utm_content', '/$referring_domain', '/$ad_click']))[3] AS utm_campaign, (json_extract_string(properties, ['/utm_source', '/utm_medium', '/utm_campaign', '/utm_term', '/utm_content', '/$referring_domain', '/$ad_click']))[4] AS utm_term, (json_extract_string(properties, ['/utm_source', '/utm_medium', '/utm_campaign', '/utm_term', '/utm_content', '/$referring_domain', '/$ad_click']))[5] AS utm_content, (json_extract_string(properties, ['/utm_source', '/utm_medium', '/utm_campaign', '/utm_term', '/utm_content', '/$referring_domain', '/$ad_click']))[6] AS referrer, (json_extract_string(properties, ['/utm_source', '/utm_medium', '/utm_campaign', '/utm_term', '/utm_content', '/$referring_domain', '/$ad_click']))[7] AS ad_click FROM (SELECT *, entry.*, last.* FROM (
  SELECT site_id, session_id, min(timestamp) AS started, max(timestamp) AS ended, count(*) AS events, count(*) FILTER (page = 1) AS pages,
    arg_min({entry_at: timestamp, entry_id: event_id, properties: properties}, ROW(-page, timestamp, event_id)) AS entry,
    arg_max({exit_at: timestamp, exit_id: event_id, exit_path: path}, ROW(page, timestamp, event_id)) AS last
  FROM (SELECT *, CASE WHEN name IN ('page_view', '$pageview', 'pageview') THEN 1 ELSE 0 END AS page FROM events
    WHERE session_id IS NOT NULL AND rowid >= 1000) AS visited
  GROUP BY site_id, session_id
  ) AS grouped) AS opened) AS parts
  LIMIT 7
),
touched AS MATERIALIZED (
  SELECT rowid AS part, site_id, session_id, started, ended, events, pages, entry_at, entry_id, channel, exit_at, exit_id, exit_path
  FROM session_parts SEMI JOIN tail USING (site_id, session_id)
  WHERE rowid IN (SELECT rowid FROM session_parts WHERE session_hash IN (SELECT CAST(hash(site_id, session_id) >> 32 AS UINTEGER) FROM tail))
),
known AS NOT MATERIALIZED (
  SELECT site_id, session_id, started, ended, events, pages, entry_at, entry_id, channel, exit_at, exit_id, exit_path FROM session_parts ANTI JOIN touched ON touched.part = session_parts.rowid
  UNION ALL
  SELECT site_id, session_id, started, ended, events, pages, entry_at, entry_id, channel, exit_at, exit_id, exit_path
  FROM (SELECT *, entry.*, last.* FROM (
  SELECT site_id, session_id, least(new.started, old.started) AS started, greatest(new.ended, old.ended) AS ended, new.events + coalesce(old.events, 0) AS events, new.pages + coalesce(old.pages, 0) AS pages,
    CASE WHEN old.part IS NULL OR ROW(new.pages = 0, new.entry_at, new.entry_id) < ROW(old.pages = 0, old.entry_at, old.entry_id) THEN {entry_at: new.entry_at, entry_id: new.entry_id, channel: new.channel} ELSE {entry_at: old.entry_at, entry_id: old.entry_id, channel: old.channel} END AS entry,
    CASE WHEN old.part IS NULL OR ROW(new.pages > 0, new.exit_at, new.exit_id) > ROW(old.pages > 0, old.exit_at, old.exit_id) THEN {exit_at: new.exit_at, exit_id: new.exit_id, exit_path: new.exit_path} ELSE {exit_at: old.exit_at, exit_id: old.exit_id, exit_path: old.exit_path} END AS last
  FROM tail AS new LEFT JOIN touched AS old USING (site_id, session_id)
  ) AS paired) AS joined
),
long_sessions AS MATERIALIZED (
  SELECT site_id, session_id FROM known WHERE ((started < $1 AND ended >= $2) OR (started < $3 AND ended >= $4))
),
sessions AS MATERIALIZED (
  SELECT epoch_us(ended) - epoch_us(started) AS lasted, events, pages, channel AS d0, exit_path AS d1
  FROM known WHERE started >= $2 AND started < $3 AND ended < $4
  UNION ALL
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
    SELECT site_id, session_id, timestamp, CASE WHEN name IN ($10, $11, $12) THEN 1 ELSE 0 END AS page, event_id, json_extract_string(properties, $5) AS e0, json_extract_string(properties, $6) AS e1, json_extract_string(properties, $7) AS e2, json_extract_string(properties, $8) AS e3, json_extract_string(properties, $9) AS e4, path AS e5
    FROM events WHERE timestamp >= $1 AND timestamp < $4 AND session_id IS NOT NULL AND (site_id, session_id) IN (SELECT site_id, session_id FROM long_sessions)
  ) AS visited
  GROUP BY site_id, session_id
  HAVING min(timestamp) >= $2 AND min(timestamp) < $3
  UNION ALL
  SELECT min(timestamp) AS started, epoch_us(max(timestamp)) - epoch_us(min(timestamp)) AS lasted, count(*) AS events, count(*) FILTER (WHERE page = 1) AS pages, arg_min([e0, e1, e2, e3, e4], ROW(-page, timestamp, event_id)) AS entry_event, arg_max([e5], ROW(page, timestamp, event_id)) AS exit_event
  FROM (
    SELECT *, sum(fresh) OVER (PARTITION BY site_id, user_id ORDER BY timestamp) AS visit
    FROM (
      SELECT site_id, user_id, timestamp, CASE WHEN name IN ($10, $11, $12) THEN 1 ELSE 0 END AS page, event_id, json_extract_string(properties, $5) AS e0, json_extract_string(properties, $6) AS e1, json_extract_string(properties, $7) AS e2, json_extract_string(properties, $8) AS e3, json_extract_string(properties, $9) AS e4, path AS e5, CASE WHEN timestamp <= lag(timestamp) OVER (PARTITION BY site_id, user_id ORDER BY timestamp) + INTERVAL '30 minutes' THEN 0 ELSE 1 END AS fresh
      FROM events WHERE timestamp >= $1 AND timestamp < $4 AND session_id IS NULL AND user_id IS NOT NULL
    ) AS paused
  ) AS visited
  GROUP BY site_id, user_id, visit
  HAVING min(timestamp) >= $2 AND min(timestamp) < $3
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

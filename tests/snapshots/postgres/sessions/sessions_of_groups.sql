WITH sessions AS (
  SELECT lasted, events, pages, entry_event[1][1] AS d0
  FROM (
  SELECT min(timestamp) AS started, CAST(extract(epoch FROM max(timestamp)) * 1000000 AS bigint) - CAST(extract(epoch FROM min(timestamp)) * 1000000 AS bigint) AS lasted, count(*) AS events, count(*) FILTER (WHERE page = 1) AS pages, (array_agg(ARRAY[e0] ORDER BY page DESC, timestamp, event_id))[1:1] AS entry_event
  FROM (
    SELECT session_id, timestamp, CASE WHEN name IN (CAST($1 AS text), CAST($2 AS text), CAST($3 AS text)) THEN 1 ELSE 0 END AS page, event_id, path AS e0
    FROM events WHERE site_id = CAST($6 AS text) AND timestamp >= CAST($7 AS timestamptz) AND timestamp < CAST($8 AS timestamptz) AND session_id IS NOT NULL
  ) AS visited
  GROUP BY session_id
  HAVING min(timestamp) >= CAST($4 AS timestamptz) AND min(timestamp) < CAST($5 AS timestamptz)
  UNION ALL
  SELECT min(timestamp) AS started, CAST(extract(epoch FROM max(timestamp)) * 1000000 AS bigint) - CAST(extract(epoch FROM min(timestamp)) * 1000000 AS bigint) AS lasted, count(*) AS events, count(*) FILTER (WHERE page = 1) AS pages, (array_agg(ARRAY[e0] ORDER BY page DESC, timestamp, event_id))[1:1] AS entry_event
  FROM (
    SELECT *, sum(fresh) OVER (PARTITION BY user_id ORDER BY timestamp) AS visit
    FROM (
      SELECT user_id, timestamp, CASE WHEN name IN (CAST($1 AS text), CAST($2 AS text), CAST($3 AS text)) THEN 1 ELSE 0 END AS page, event_id, path AS e0, CASE WHEN timestamp <= lag(timestamp) OVER (PARTITION BY user_id ORDER BY timestamp) + INTERVAL '30 minutes' THEN 0 ELSE 1 END AS fresh
      FROM events WHERE site_id = CAST($6 AS text) AND timestamp >= CAST($7 AS timestamptz) AND timestamp < CAST($8 AS timestamptz) AND session_id IS NULL AND user_id IS NOT NULL
    ) AS paused
  ) AS visited
  GROUP BY user_id, visit
  HAVING min(timestamp) >= CAST($4 AS timestamptz) AND min(timestamp) < CAST($5 AS timestamptz)
  ) AS made
),
ranked AS (
SELECT d0, place
FROM (VALUES (CAST($9 AS text), 1), (CAST(NULL AS VARCHAR), 2)) AS given_groups(d0, place)
)
SELECT ranked.d0, count(*) AS m0, CAST(count(*) FILTER (WHERE pages = 1) AS DOUBLE PRECISION) / nullif(count(*), 0) AS m1, percentile_cont(0.5) WITHIN GROUP (ORDER BY CAST(lasted AS DOUBLE PRECISION)) / 1000000 AS m2, CAST(sum(pages) AS DOUBLE PRECISION) / nullif(count(*), 0) AS m3
FROM sessions JOIN ranked ON coalesce(sessions.d0, '') = coalesce(ranked.d0, '') AND (sessions.d0 IS NULL) = (ranked.d0 IS NULL)
GROUP BY place, ranked.d0
ORDER BY place NULLS LAST
LIMIT 100001

-- $1: 'page_view'
-- $2: '$pageview'
-- $3: 'pageview'
-- $4: datetime.datetime(2025, 5, 1, 0, 0, tzinfo=datetime.timezone.utc)
-- $5: datetime.datetime(2025, 6, 1, 0, 0, tzinfo=datetime.timezone.utc)
-- $6: 'default'
-- $7: datetime.datetime(2025, 4, 30, 0, 0, tzinfo=datetime.timezone.utc)
-- $8: datetime.datetime(2025, 6, 2, 0, 0, tzinfo=datetime.timezone.utc)
-- $9: '/a'

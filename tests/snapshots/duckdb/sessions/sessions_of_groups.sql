WITH sessions AS (
  SELECT lasted, events, pages, entry_event[1] AS d0
  FROM (
  SELECT min(timestamp) AS started, epoch_us(max(timestamp)) - epoch_us(min(timestamp)) AS lasted, count(*) AS events, count(*) FILTER (WHERE page = 1) AS pages, arg_min([e0], ROW(-page, timestamp, event_id)) AS entry_event
  FROM (
    SELECT session_id, timestamp, CASE WHEN name IN ($1, $2, $3) THEN 1 ELSE 0 END AS page, event_id, path AS e0
    FROM events WHERE site_id = $6 AND timestamp >= $7 AND timestamp < $8 AND session_id IS NOT NULL
  ) AS visited
  GROUP BY session_id
  HAVING min(timestamp) >= $4 AND min(timestamp) < $5
  UNION ALL
  SELECT min(timestamp) AS started, epoch_us(max(timestamp)) - epoch_us(min(timestamp)) AS lasted, count(*) AS events, count(*) FILTER (WHERE page = 1) AS pages, arg_min([e0], ROW(-page, timestamp, event_id)) AS entry_event
  FROM (
    SELECT *, sum(fresh) OVER (PARTITION BY user_id ORDER BY timestamp) AS visit
    FROM (
      SELECT user_id, timestamp, CASE WHEN name IN ($1, $2, $3) THEN 1 ELSE 0 END AS page, event_id, path AS e0, CASE WHEN timestamp <= lag(timestamp) OVER (PARTITION BY user_id ORDER BY timestamp) + INTERVAL '30 minutes' THEN 0 ELSE 1 END AS fresh
      FROM events WHERE site_id = $6 AND timestamp >= $7 AND timestamp < $8 AND session_id IS NULL AND user_id IS NOT NULL
    ) AS paused
  ) AS visited
  GROUP BY user_id, visit
  HAVING min(timestamp) >= $4 AND min(timestamp) < $5
  ) AS made
),
ranked AS (
SELECT d0, place
FROM (VALUES ($9, 1), (CAST(NULL AS VARCHAR), 2)) AS given_groups(d0, place)
)
SELECT ranked.d0, count(*) AS m0, CAST(count(*) FILTER (WHERE pages = 1) AS DOUBLE PRECISION) / nullif(count(*), 0) AS m1, quantile_cont(CAST(lasted AS DOUBLE PRECISION), 0.5) / 1000000 AS m2, CAST(sum(pages) AS DOUBLE PRECISION) / nullif(count(*), 0) AS m3
FROM sessions JOIN ranked ON sessions.d0 IS NOT DISTINCT FROM ranked.d0
GROUP BY place, ranked.d0
ORDER BY place NULLS LAST
LIMIT 100001

-- $1: 'page_view'
-- $2: '$pageview'
-- $3: 'pageview'
-- $4: datetime.datetime(2025, 5, 1, 0, 0)
-- $5: datetime.datetime(2025, 6, 1, 0, 0)
-- $6: 'default'
-- $7: datetime.datetime(2025, 4, 30, 0, 0)
-- $8: datetime.datetime(2025, 6, 2, 0, 0)
-- $9: '/a'

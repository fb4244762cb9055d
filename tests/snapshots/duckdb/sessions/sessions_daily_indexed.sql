WITH known AS NOT MATERIALIZED (SELECT * FROM session_parts),
long_sessions AS MATERIALIZED (
  SELECT site_id, session_id FROM known WHERE site_id = $5 AND ((started < $1 AND ended >= $2) OR (started < $3 AND ended >= $4))
),
sessions AS (
  SELECT (epoch_us(started) + 7200000000) // 86400000000 * 86400000000 AS b, epoch_us(ended) - epoch_us(started) AS lasted, events, pages
  FROM known WHERE site_id = $5 AND started >= $2 AND started < $3 AND ended < $4
  UNION ALL
  SELECT (epoch_us(started) + 7200000000) // 86400000000 * 86400000000 AS b, lasted, events, pages
  FROM (
  SELECT min(timestamp) AS started, epoch_us(max(timestamp)) - epoch_us(min(timestamp)) AS lasted, count(*) AS events, count(*) FILTER (WHERE page = 1) AS pages
  FROM (
    SELECT session_id, timestamp, CASE WHEN name IN ($6, $7, $8) THEN 1 ELSE 0 END AS page
    FROM events WHERE site_id = $5 AND timestamp >= $1 AND timestamp < $4 AND session_id IS NOT NULL AND (session_id) IN (SELECT session_id FROM long_sessions)
  ) AS visited
  GROUP BY session_id
  HAVING min(timestamp) >= $2 AND min(timestamp) < $3
  UNION ALL
  SELECT min(timestamp) AS started, epoch_us(max(timestamp)) - epoch_us(min(timestamp)) AS lasted, count(*) AS events, count(*) FILTER (WHERE page = 1) AS pages
  FROM (
    SELECT *, sum(fresh) OVER (PARTITION BY user_id ORDER BY timestamp) AS visit
    FROM (
      SELECT user_id, timestamp, CASE WHEN name IN ($6, $7, $8) THEN 1 ELSE 0 END AS page, CASE WHEN timestamp <= lag(timestamp) OVER (PARTITION BY user_id ORDER BY timestamp) + INTERVAL '30 minutes' THEN 0 ELSE 1 END AS fresh
      FROM events WHERE site_id = $5 AND timestamp >= $1 AND timestamp < $4 AND session_id IS NULL AND user_id IS NOT NULL
    ) AS paused
  ) AS visited
  GROUP BY user_id, visit
  HAVING min(timestamp) >= $2 AND min(timestamp) < $3
  ) AS made
)
SELECT b AS bucket, count(*) AS m0, CAST(count(*) FILTER (WHERE pages = 1) AS DOUBLE PRECISION) / nullif(count(*), 0) AS m1, quantile_cont(CAST(lasted AS DOUBLE PRECISION), 0.5) / 1000000 AS m2, CAST(sum(pages) AS DOUBLE PRECISION) / nullif(count(*), 0) AS m3
FROM sessions
GROUP BY b
ORDER BY b
LIMIT 20001

-- $1: datetime.datetime(2025, 4, 30, 0, 0)
-- $2: datetime.datetime(2025, 5, 1, 0, 0)
-- $3: datetime.datetime(2025, 6, 1, 0, 0)
-- $4: datetime.datetime(2025, 6, 2, 0, 0)
-- $5: 'default'
-- $6: 'page_view'
-- $7: '$pageview'
-- $8: 'pageview'

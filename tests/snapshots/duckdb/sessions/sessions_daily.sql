WITH sessions AS (
  SELECT (epoch_us(started) + 7200000000) // 86400000000 * 86400000000 AS b, lasted, events, pages
  FROM (
  SELECT min(timestamp) AS started, epoch_us(max(timestamp)) - epoch_us(min(timestamp)) AS lasted, count(*) AS events, count(*) FILTER (WHERE page = 1) AS pages
  FROM (
    SELECT session_id, timestamp, CASE WHEN name IN ($1, $2, $3) THEN 1 ELSE 0 END AS page
    FROM events WHERE site_id = $6 AND timestamp >= $7 AND timestamp < $8 AND session_id IS NOT NULL
  ) AS visited
  GROUP BY session_id
  HAVING min(timestamp) >= $4 AND min(timestamp) < $5
  UNION ALL
  SELECT min(timestamp) AS started, epoch_us(max(timestamp)) - epoch_us(min(timestamp)) AS lasted, count(*) AS events, count(*) FILTER (WHERE page = 1) AS pages
  FROM (
    SELECT *, sum(fresh) OVER (PARTITION BY user_id ORDER BY timestamp) AS visit
    FROM (
      SELECT user_id, timestamp, CASE WHEN name IN ($1, $2, $3) THEN 1 ELSE 0 END AS page, CASE WHEN timestamp <= lag(timestamp) OVER (PARTITION BY user_id ORDER BY timestamp) + INTERVAL '30 minutes' THEN 0 ELSE 1 END AS fresh
      FROM events WHERE site_id = $6 AND timestamp >= $7 AND timestamp < $8 AND session_id IS NULL AND user_id IS NOT NULL
    ) AS paused
  ) AS visited
  GROUP BY user_id, visit
  HAVING min(timestamp) >= $4 AND min(timestamp) < $5
  ) AS made
)
SELECT b AS bucket, count(*) AS m0, CAST(count(*) FILTER (WHERE pages = 1) AS DOUBLE PRECISION) / nullif(count(*), 0) AS m1, quantile_cont(CAST(lasted AS DOUBLE PRECISION), 0.5) / 1000000 AS m2, CAST(sum(pages) AS DOUBLE PRECISION) / nullif(count(*), 0) AS m3
FROM sessions
GROUP BY b
ORDER BY b
LIMIT 20001

-- $1: 'page_view'
-- $2: '$pageview'
-- $3: 'pageview'
-- $4: datetime.datetime(2025, 5, 1, 0, 0)
-- $5: datetime.datetime(2025, 6, 1, 0, 0)
-- $6: 'default'
-- $7: datetime.datetime(2025, 4, 30, 0, 0)
-- $8: datetime.datetime(2025, 6, 2, 0, 0)

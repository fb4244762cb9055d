WITH walked AS (
  SELECT anchor - n + 1 AS place, beside AS source, node AS target FROM (
  SELECT *, min(CASE WHEN node = CAST($2 AS text) THEN n END) OVER (PARTITION BY site_id, session_id) AS anchor FROM (
  SELECT site_id, session_id, node, row_number() OVER walk AS n, lag(node) OVER walk AS beside
  FROM (
  SELECT site_id, session_id, timestamp, event_id, node FROM (
    SELECT site_id, session_id, timestamp, event_id, name AS node, source = CAST($1 AS text) AS picked
    FROM events WHERE session_id IS NOT NULL
  ) AS visited
  WHERE node IS NOT NULL AND picked
  ) AS steps
  WINDOW walk AS (PARTITION BY site_id, session_id ORDER BY timestamp, event_id)
  ) AS numbered
  ) AS anchored
  UNION ALL
  SELECT anchor - n + 1 AS place, beside AS source, node AS target FROM (
  SELECT *, min(CASE WHEN node = CAST($2 AS text) THEN n END) OVER (PARTITION BY site_id, user_id, visit) AS anchor FROM (
  SELECT site_id, user_id, visit, node, row_number() OVER walk AS n, lag(node) OVER walk AS beside
  FROM (
  SELECT site_id, user_id, visit, timestamp, event_id, node FROM (
    SELECT *, sum(fresh) OVER (PARTITION BY site_id, user_id ORDER BY timestamp) AS visit
    FROM (
      SELECT site_id, user_id, timestamp, event_id, name AS node, source = CAST($1 AS text) AS picked, CASE WHEN timestamp <= lag(timestamp) OVER (PARTITION BY site_id, user_id ORDER BY timestamp) + INTERVAL '30 minutes' THEN 0 ELSE 1 END AS fresh
      FROM events WHERE session_id IS NULL AND user_id IS NOT NULL
    ) AS paused
  ) AS visited
  WHERE node IS NOT NULL AND picked
  ) AS steps
  WINDOW walk AS (PARTITION BY site_id, user_id, visit ORDER BY timestamp, event_id)
  ) AS numbered
  ) AS anchored
),
edges AS (
  SELECT place, source, target, count(*) AS sessions
  FROM walked
  WHERE place BETWEEN 1 AND 4
  GROUP BY place, source, target
),
ranked AS (
  SELECT *, row_number() OVER (PARTITION BY place
    ORDER BY sessions DESC, source NULLS LAST, target NULLS LAST) AS rank
  FROM edges
),
cut AS (
  SELECT place, CASE WHEN rank <= 20 THEN source END AS source, CASE WHEN rank <= 20 THEN target END AS target,
    sessions, NOT rank <= 20 AS other
  FROM ranked
)
SELECT place, source, target, CAST(sum(sessions) AS BIGINT) AS total, other
FROM cut
GROUP BY place, source, target, other
ORDER BY place, other, total DESC, source NULLS LAST, target NULLS LAST

-- $1: 'web'
-- $2: 'buy'

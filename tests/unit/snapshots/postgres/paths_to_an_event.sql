WITH codes AS MATERIALIZED (
  SELECT node, row_number() OVER (ORDER BY node) AS code
  FROM (
    SELECT DISTINCT node FROM (
    SELECT name AS node, source = CAST($1 AS text) AS picked FROM events
    ) AS seen WHERE node IS NOT NULL AND picked
  ) AS nodes
),
walked AS (
  SELECT anchor - n + 1 AS place, beside AS source, code AS target FROM (
  SELECT *, min(CASE WHEN code = (SELECT code FROM codes WHERE node = CAST($2 AS text)) THEN n END) OVER (PARTITION BY site_id, session_id) AS anchor FROM (
  SELECT site_id, session_id, code, row_number() OVER walk AS n, lag(code) OVER walk AS beside
  FROM (
  SELECT site_id, session_id, timestamp, code FROM (
    SELECT site_id, session_id, timestamp, name AS node, source = CAST($1 AS text) AS picked
    FROM events WHERE session_id IS NOT NULL
  ) AS visited JOIN codes USING (node) WHERE node IS NOT NULL AND picked
  ) AS steps
  WINDOW walk AS (PARTITION BY site_id, session_id ORDER BY timestamp, code)
  ) AS numbered
  ) AS anchored
  UNION ALL
  SELECT anchor - n + 1 AS place, beside AS source, code AS target FROM (
  SELECT *, min(CASE WHEN code = (SELECT code FROM codes WHERE node = CAST($2 AS text)) THEN n END) OVER (PARTITION BY site_id, user_id, visit) AS anchor FROM (
  SELECT site_id, user_id, visit, code, row_number() OVER walk AS n, lag(code) OVER walk AS beside
  FROM (
  SELECT site_id, user_id, visit, timestamp, code FROM (
    SELECT *, sum(fresh) OVER (PARTITION BY site_id, user_id ORDER BY timestamp) AS visit
    FROM (
      SELECT site_id, user_id, timestamp, name AS node, source = CAST($1 AS text) AS picked, CASE WHEN timestamp <= lag(timestamp) OVER (PARTITION BY site_id, user_id ORDER BY timestamp) + INTERVAL '30 minutes' THEN 0 ELSE 1 END AS fresh
      FROM events WHERE session_id IS NULL AND user_id IS NOT NULL
    ) AS paused
  ) AS visited JOIN codes USING (node) WHERE node IS NOT NULL AND picked
  ) AS steps
  WINDOW walk AS (PARTITION BY site_id, user_id, visit ORDER BY timestamp, code)
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
    CAST(sum(sessions) AS BIGINT) AS sessions, NOT rank <= 20 AS other
  FROM ranked
  GROUP BY 1, 2, 3, 5
)
SELECT place, sources.node, targets.node, sessions, other
FROM cut
LEFT JOIN codes AS sources ON sources.code = source
LEFT JOIN codes AS targets ON targets.code = target
ORDER BY place, other, sessions DESC, source NULLS LAST, target NULLS LAST

-- $1: 'web'
-- $2: 'buy'

WITH codes AS MATERIALIZED (
  SELECT node, CAST(row_number() OVER (ORDER BY node) AS INTEGER) AS code
  FROM (
    SELECT DISTINCT node FROM (
    SELECT name AS node, source = $1 AS picked FROM events
    ) AS seen WHERE node IS NOT NULL AND picked
  ) AS nodes
),
stepped AS (
  SELECT hash(site_id, session_id, 0) AS visit, timestamp, code
  FROM (
    SELECT site_id, session_id, timestamp, name AS node, source = $1 AS picked
    FROM events WHERE session_id IS NOT NULL
  ) AS visited JOIN codes USING (node)
  WHERE node IS NOT NULL AND picked AND (site_id, session_id) IN (
    SELECT site_id, session_id FROM (
    SELECT site_id, session_id, timestamp, name AS node, source = $1 AS picked
    FROM events WHERE session_id IS NOT NULL
    ) AS visited WHERE node IS NOT NULL AND picked AND node = $2
  )
  UNION ALL
  SELECT hash(site_id, user_id, visit) AS visit, timestamp, code
  FROM (
    SELECT *, sum(fresh) OVER (PARTITION BY site_id, user_id ORDER BY timestamp) AS visit
    FROM (
      SELECT site_id, user_id, timestamp, name AS node, source = $1 AS picked, CASE WHEN timestamp <= lag(timestamp) OVER (PARTITION BY site_id, user_id ORDER BY timestamp) + INTERVAL '30 minutes' THEN 0 ELSE 1 END AS fresh
      FROM events WHERE session_id IS NULL AND user_id IS NOT NULL
    ) AS paused
  ) AS visited JOIN codes USING (node)
  WHERE node IS NOT NULL AND picked
),
walked AS (
  SELECT visit, timestamp, code, lag(code, 1, 0) OVER walk AS before, CAST(row_number() OVER walk AS INTEGER) AS n
  FROM stepped
  WINDOW walk AS (PARTITION BY visit ORDER BY timestamp, code)
),
counted AS MATERIALIZED (
  SELECT anchor - n + 1 AS place, before, code, count(*) AS sessions
  FROM (
    SELECT n, code, before, min(CASE WHEN code = (SELECT code FROM codes WHERE node = $2) THEN n END) OVER (PARTITION BY visit) AS anchor
    FROM walked
  ) AS anchored
  WHERE anchor - n + 1 BETWEEN 1 AND 4
  GROUP BY 1, 2, 3
),
edges AS (
  SELECT place, nullif(before, 0) AS source, code AS target, sessions FROM counted
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

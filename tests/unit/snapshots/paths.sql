WITH codes AS MATERIALIZED (
  SELECT node, row_number() OVER (ORDER BY node) AS code
  FROM (
    SELECT DISTINCT node FROM (
    SELECT CASE WHEN CASE WHEN name IN ($1, $2, $3) THEN 1 ELSE 0 END = 1 THEN path END AS node FROM events WHERE site_id = $4 AND timestamp >= $5 AND timestamp < $6
    ) AS seen WHERE node IS NOT NULL
  ) AS nodes
),
walked AS (
  SELECT n AS place, code AS source, beside AS target FROM (
  SELECT session_id, code, row_number() OVER walk AS n, lead(code) OVER walk AS beside
  FROM (
  SELECT * FROM (
  SELECT *, lag(code) OVER walk AS before FROM (
  SELECT session_id, timestamp, code FROM (
    SELECT session_id, timestamp, CASE WHEN CASE WHEN name IN ($1, $2, $3) THEN 1 ELSE 0 END = 1 THEN path END AS node
    FROM events WHERE site_id = $4 AND timestamp >= $5 AND timestamp < $6 AND session_id IS NOT NULL
  ) AS visited JOIN codes USING (node) WHERE node IS NOT NULL
  ) AS steps
  WINDOW walk AS (PARTITION BY session_id ORDER BY timestamp, code)
  ) AS repeated
  WHERE before IS NULL OR before <> code
  ) AS steps
  WINDOW walk AS (PARTITION BY session_id ORDER BY timestamp, code)
  ) AS numbered
  UNION ALL
  SELECT n AS place, code AS source, beside AS target FROM (
  SELECT user_id, visit, code, row_number() OVER walk AS n, lead(code) OVER walk AS beside
  FROM (
  SELECT * FROM (
  SELECT *, lag(code) OVER walk AS before FROM (
  SELECT user_id, visit, timestamp, code FROM (
    SELECT *, sum(fresh) OVER (PARTITION BY user_id ORDER BY timestamp) AS visit
    FROM (
      SELECT user_id, timestamp, CASE WHEN CASE WHEN name IN ($1, $2, $3) THEN 1 ELSE 0 END = 1 THEN path END AS node, CASE WHEN timestamp <= lag(timestamp) OVER (PARTITION BY user_id ORDER BY timestamp) + INTERVAL '30 minutes' THEN 0 ELSE 1 END AS fresh
      FROM events WHERE site_id = $4 AND timestamp >= $5 AND timestamp < $6 AND session_id IS NULL AND user_id IS NOT NULL
    ) AS paused
  ) AS visited JOIN codes USING (node) WHERE node IS NOT NULL
  ) AS steps
  WINDOW walk AS (PARTITION BY user_id, visit ORDER BY timestamp, code)
  ) AS repeated
  WHERE before IS NULL OR before <> code
  ) AS steps
  WINDOW walk AS (PARTITION BY user_id, visit ORDER BY timestamp, code)
  ) AS numbered
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

-- $1: 'page_view'
-- $2: '$pageview'
-- $3: 'pageview'
-- $4: 'default'
-- $5: datetime.datetime(2025, 5, 1, 0, 0)
-- $6: datetime.datetime(2025, 6, 1, 0, 0)

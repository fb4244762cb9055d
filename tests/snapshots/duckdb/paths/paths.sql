WITH codes AS MATERIALIZED (
  SELECT node, CAST(row_number() OVER (ORDER BY node) AS INTEGER) AS code
  FROM (
    SELECT DISTINCT node FROM (
    SELECT path AS node FROM events WHERE site_id = $4 AND timestamp >= $5 AND timestamp < $6 AND name IN ($1, $2, $3) AND path IS NOT NULL
    ) AS seen WHERE node IS NOT NULL
  ) AS nodes
),
stepped AS (
  SELECT hash(session_id, 0) AS visit, timestamp, code
  FROM (
    SELECT session_id, timestamp, path AS node
    FROM events WHERE site_id = $4 AND timestamp >= $5 AND timestamp < $6 AND session_id IS NOT NULL AND name IN ($1, $2, $3) AND path IS NOT NULL
  ) AS visited JOIN codes USING (node)
  WHERE node IS NOT NULL
  UNION ALL
  SELECT hash(user_id, visit) AS visit, timestamp, code
  FROM (
    SELECT *, sum(fresh) OVER (PARTITION BY user_id ORDER BY timestamp) AS visit
    FROM (
      SELECT user_id, timestamp, CASE WHEN name IN ($1, $2, $3) AND path IS NOT NULL THEN path END AS node, CASE WHEN timestamp <= lag(timestamp) OVER (PARTITION BY user_id ORDER BY timestamp) + INTERVAL '30 minutes' THEN 0 ELSE 1 END AS fresh
      FROM events WHERE site_id = $4 AND timestamp >= $5 AND timestamp < $6 AND session_id IS NULL AND user_id IS NOT NULL
    ) AS paused
  ) AS visited JOIN codes USING (node)
  WHERE node IS NOT NULL
),
numbered AS MATERIALIZED (
  SELECT visit, code, lag(code, 1, 0) OVER walk AS before, CAST(row_number() OVER walk AS INTEGER) AS n
  FROM stepped
  WINDOW walk AS (PARTITION BY visit ORDER BY timestamp, code)
),
repeating AS MATERIALIZED (
  SELECT DISTINCT visit FROM numbered WHERE before = code
),
walked AS (
  SELECT visit, code, before, n FROM numbered WHERE visit NOT IN (SELECT visit FROM repeating)
  UNION ALL
  SELECT visit, code, before, nth
  FROM (
    SELECT visit, code, before, CAST(sum(CASE WHEN before = code THEN 0 ELSE 1 END) OVER walk AS INTEGER) AS nth
    FROM numbered WHERE visit IN (SELECT visit FROM repeating)
    WINDOW walk AS (PARTITION BY visit ORDER BY n ROWS UNBOUNDED PRECEDING)
  ) AS renumbered
  WHERE before <> code
),
counted AS MATERIALIZED (
  SELECT n AS place, before, code, count(*) AS sessions
  FROM walked
  WHERE n BETWEEN 1 AND 5
  GROUP BY 1, 2, 3
),
edges AS (
  SELECT place - 1 AS place, before AS source, code AS target, sessions
  FROM counted WHERE place > 1
  UNION ALL
  SELECT place, code, NULL, CAST(sum(sessions) AS BIGINT)
  FROM (
    SELECT place, code, CASE WHEN place < 5 THEN sessions ELSE 0 END AS sessions FROM counted
    UNION ALL
    SELECT place - 1, before, CASE WHEN place > 1 THEN -sessions ELSE 0 END FROM counted
  ) AS ends
  GROUP BY place, code HAVING sum(sessions) > 0
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

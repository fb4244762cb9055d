WITH known AS NOT MATERIALIZED (SELECT * FROM session_parts),
long_sessions AS MATERIALIZED (
  SELECT site_id, session_id FROM known WHERE site_id = $1 AND ended >= $2 AND started < $3 AND NOT (trail IS NOT NULL AND started >= $2 AND ended < $3)
),
seen AS MATERIALIZED (
  SELECT place, CASE WHEN n > 1 THEN trail[n - 1] END AS before, trail[n] AS node, count(*) AS sessions
  FROM (
    SELECT trail, place, place AS n
    FROM (SELECT trail, unnest([1, 2, 3, 4, 5]) AS place FROM known WHERE site_id = $1 AND trail IS NOT NULL AND started >= $2 AND ended < $3) AS trails
  ) AS placed
  WHERE n BETWEEN 1 AND len(trail)
  GROUP BY ALL
),
visits AS MATERIALIZED (
  SELECT hash(session_id, 0) AS visit, timestamp, node
  FROM (
    SELECT session_id, timestamp, path AS node
    FROM events WHERE site_id = $1 AND timestamp >= $2 AND timestamp < $3 AND session_id IS NOT NULL AND (session_id) IN (SELECT session_id FROM long_sessions) AND name IN ($4, $5, $6) AND path IS NOT NULL
  ) AS visited
  WHERE node IS NOT NULL
  UNION ALL
  SELECT hash(user_id, visit) AS visit, timestamp, node
  FROM (
    SELECT *, sum(fresh) OVER (PARTITION BY user_id ORDER BY timestamp) AS visit
    FROM (
      SELECT user_id, timestamp, CASE WHEN name IN ($4, $5, $6) AND path IS NOT NULL THEN path END AS node, CASE WHEN timestamp <= lag(timestamp) OVER (PARTITION BY user_id ORDER BY timestamp) + INTERVAL '30 minutes' THEN 0 ELSE 1 END AS fresh
      FROM events WHERE site_id = $1 AND timestamp >= $2 AND timestamp < $3 AND session_id IS NULL AND user_id IS NOT NULL
    ) AS paused
  ) AS visited
  WHERE node IS NOT NULL
),
codes AS MATERIALIZED (
  SELECT node, CAST(row_number() OVER (ORDER BY node) AS INTEGER) AS code
  FROM (SELECT node FROM seen UNION SELECT before FROM seen WHERE before IS NOT NULL UNION SELECT node FROM visits) AS nodes
),
stepped AS (
  SELECT visit, timestamp, code
  FROM visits JOIN codes USING (node)
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
counted_events AS MATERIALIZED (
  SELECT n AS place, before, code, count(*) AS sessions
  FROM walked
  WHERE n BETWEEN 1 AND 5
  GROUP BY 1, 2, 3
),
counted AS MATERIALIZED (
  SELECT place, before, code, CAST(sum(sessions) AS BIGINT) AS sessions
  FROM (
    SELECT place, before, code, sessions FROM counted_events
    UNION ALL
    SELECT place, coalesce(sources.code, 0), targets.code, sessions
    FROM seen
    JOIN codes AS targets ON targets.node = seen.node
    LEFT JOIN codes AS sources ON sources.node = seen.before
  ) AS both_kinds
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

-- $1: 'default'
-- $2: datetime.datetime(2025, 5, 1, 0, 0)
-- $3: datetime.datetime(2025, 6, 1, 0, 0)
-- $4: 'page_view'
-- $5: '$pageview'
-- $6: 'pageview'

WITH tail AS MATERIALIZED (
  SELECT site_id, session_id, started, ended, events, pages, CASE WHEN pages <= 1000 AND len(list_filter(coalesce(steps, CAST([] AS VARCHAR[])), lambda step, position: position = 1 OR step <> (coalesce(steps, CAST([] AS VARCHAR[])))[position - 1])) <= 32 THEN list_filter(coalesce(steps, CAST([] AS VARCHAR[])), lambda step, position: position = 1 OR step <> (coalesce(steps, CAST([] AS VARCHAR[])))[position - 1]) END AS trail
FROM (
    SELECT *
    FROM (
        SELECT
            site_id,
            session_id,
            min(timestamp) AS started,
            max(timestamp) AS ended,
            count(*) AS events,
            count(*) FILTER (page = 1) AS pages,
            list(path ORDER BY timestamp, path) FILTER (page = 1 AND path IS NOT NULL) AS steps,
        FROM (
            SELECT *, CASE WHEN name IN ('page_view', '$pageview', 'pageview') THEN 1 ELSE 0 END AS page
            FROM events
            WHERE session_id IS NOT NULL AND rowid >= 1000
        ) AS visited
        GROUP BY site_id, session_id
    ) AS packed
) AS sessions
  LIMIT 7
),
touched AS MATERIALIZED (
  SELECT rowid AS part, site_id, session_id, started, ended, events, pages, trail
  FROM session_parts SEMI JOIN tail USING (site_id, session_id)
  WHERE rowid IN (SELECT rowid FROM session_parts WHERE session_hash IN (SELECT CAST(hash(site_id, session_id) >> 32 AS UINTEGER) FROM tail))
),
known AS NOT MATERIALIZED (
  SELECT site_id, session_id, started, ended, events, pages, trail FROM session_parts ANTI JOIN touched ON touched.part = session_parts.rowid
  UNION ALL
  SELECT site_id, session_id, started, ended, events, pages, CASE WHEN is_new THEN new_trail ELSE CASE WHEN pages <= 1000 AND len(list_filter(steps, lambda step, position: position = 1 OR step <> (steps)[position - 1])) <= 32 THEN list_filter(steps, lambda step, position: position = 1 OR step <> (steps)[position - 1]) END END AS trail
FROM (
    SELECT *
    FROM (
        SELECT
            site_id,
            session_id,
            least(new.started, old.started) AS started,
            greatest(new.ended, old.ended) AS ended,
            new.events + coalesce(old.events, 0) AS events,
            new.pages + coalesce(old.pages, 0) AS pages,
            old.part IS NULL AS is_new,
            new.trail AS new_trail,
            CASE
                WHEN new.started > old.ended THEN old.trail || new.trail
                WHEN old.started > new.ended THEN new.trail || old.trail
            END AS steps,
        FROM tail AS new
        LEFT JOIN touched AS old USING (site_id, session_id)
    ) AS packed
) AS continued
),
long_sessions AS MATERIALIZED (
  SELECT site_id, session_id FROM known WHERE started < $1 AND NOT (trail IS NOT NULL AND ended < $1 AND len(trail) = pages)
),
seen AS MATERIALIZED (
  SELECT place, CASE WHEN n > 1 THEN trail[n - 1] END AS before, trail[n] AS node, count(*) AS sessions
  FROM (
    SELECT trail, place, anchor - place + 1 AS n
    FROM (SELECT trail, list_position(trail, $2) AS anchor, unnest([1, 2, 3, 4]) AS place FROM known WHERE trail IS NOT NULL AND ended < $1 AND len(trail) = pages AND list_contains(trail, $2)) AS trails
  ) AS placed
  WHERE n BETWEEN 1 AND len(trail)
  GROUP BY ALL
),
visits AS MATERIALIZED (
  SELECT hash(site_id, session_id, 0) AS visit, timestamp, node
  FROM (
    SELECT site_id, session_id, timestamp, path AS node
    FROM events WHERE timestamp < $1 AND session_id IS NOT NULL AND (site_id, session_id) IN (SELECT site_id, session_id FROM long_sessions) AND name IN ($3, $4, $5) AND path IS NOT NULL
  ) AS visited
  WHERE node IS NOT NULL AND (site_id, session_id) IN (
    SELECT site_id, session_id FROM (
    SELECT site_id, session_id, timestamp, path AS node
    FROM events WHERE timestamp < $1 AND session_id IS NOT NULL AND (site_id, session_id) IN (SELECT site_id, session_id FROM long_sessions) AND name IN ($3, $4, $5) AND path IS NOT NULL
    ) AS visited WHERE node IS NOT NULL AND node = $2
  )
  UNION ALL
  SELECT hash(site_id, user_id, visit) AS visit, timestamp, node
  FROM (
    SELECT *, sum(fresh) OVER (PARTITION BY site_id, user_id ORDER BY timestamp) AS visit
    FROM (
      SELECT site_id, user_id, timestamp, CASE WHEN name IN ($3, $4, $5) AND path IS NOT NULL THEN path END AS node, CASE WHEN timestamp <= lag(timestamp) OVER (PARTITION BY site_id, user_id ORDER BY timestamp) + INTERVAL '30 minutes' THEN 0 ELSE 1 END AS fresh
      FROM events WHERE timestamp < $1 AND session_id IS NULL AND user_id IS NOT NULL
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
walked AS (
  SELECT visit, timestamp, code, lag(code, 1, 0) OVER walk AS before, CAST(row_number() OVER walk AS INTEGER) AS n
  FROM stepped
  WINDOW walk AS (PARTITION BY visit ORDER BY timestamp, code)
),
counted_events AS MATERIALIZED (
  SELECT anchor - n + 1 AS place, before, code, count(*) AS sessions
  FROM (
    SELECT n, code, before, min(CASE WHEN code = (SELECT code FROM codes WHERE node = $2) THEN n END) OVER (PARTITION BY visit) AS anchor
    FROM walked
  ) AS anchored
  WHERE anchor - n + 1 BETWEEN 1 AND 4
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

-- $1: datetime.datetime(2025, 6, 1, 0, 0)
-- $2: '/buy'
-- $3: 'page_view'
-- $4: '$pageview'
-- $5: 'pageview'

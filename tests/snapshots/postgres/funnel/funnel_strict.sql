WITH reached_1 AS (
  SELECT *
  FROM (SELECT user_id AS u, min(timestamp) AS t1 FROM events WHERE site_id = CAST($3 AS text) AND user_id IS NOT NULL AND (name = CAST($1 AS text)) GROUP BY user_id) AS firsts
),
unsettled AS MATERIALIZED (
  SELECT *, CAST(row_number() OVER () AS INTEGER) AS id
  FROM reached_1 WHERE u IN (SELECT user_id FROM events WHERE site_id = CAST($3 AS text) AND user_id IS NOT NULL AND (name = CAST($2 AS text)))
),
marked AS (
  SELECT id, timestamp AS t, CAST(CASE WHEN name = CAST($1 AS text) THEN 1 WHEN name = CAST($2 AS text) THEN 2 ELSE 3 END AS SMALLINT) AS place
  FROM (SELECT * FROM events WHERE site_id = CAST($3 AS text) AND user_id IS NOT NULL) AS events
  JOIN unsettled ON u = user_id
),
followed AS (
  SELECT id, t, place, lead(place, 1) OVER walk AS f2, lead(t, 1) OVER walk AS n2
  FROM marked WINDOW walk AS (PARTITION BY id ORDER BY t, place)
),
attempts AS (
  SELECT id, t AS t1, CASE WHEN f2 = 2 AND n2 <= t + INTERVAL '60 seconds' THEN n2 END AS t2
  FROM followed WHERE place = 1
),
by_reach AS (
  SELECT id, CASE WHEN t1 IS NULL THEN 0 ELSE 1 END + CASE WHEN t2 IS NULL THEN 0 ELSE 1 END AS done, min(t1) AS t1, min(t2) AS t2
  FROM attempts
  GROUP BY id, done
),
ranked_reach AS (
  SELECT *, row_number() OVER (PARTITION BY id ORDER BY done DESC) AS place
  FROM by_reach
),
best AS (
  SELECT id, t1, t2
  FROM ranked_reach WHERE place = 1
),
persons AS (
  SELECT u, t1, CAST(NULL AS timestamptz) AS t2
  FROM reached_1 WHERE NOT EXISTS (SELECT 1 FROM unsettled WHERE unsettled.u = reached_1.u)
  UNION ALL
  SELECT unsettled.u, best.t1, best.t2
  FROM best JOIN unsettled ON unsettled.id = best.id
)
SELECT count(t1) AS c1,
  count(t2) AS c2,
  percentile_cont(0.5) WITHIN GROUP (ORDER BY CAST(CAST(extract(epoch FROM t2) * 1000000 AS bigint) - CAST(extract(epoch FROM t1) * 1000000 AS bigint) AS DOUBLE PRECISION) / 1000000),
  percentile_cont(0.9) WITHIN GROUP (ORDER BY CAST(CAST(extract(epoch FROM t2) * 1000000 AS bigint) - CAST(extract(epoch FROM t1) * 1000000 AS bigint) AS DOUBLE PRECISION) / 1000000)
FROM persons

-- $1: 'view'
-- $2: 'buy'
-- $3: 'default'

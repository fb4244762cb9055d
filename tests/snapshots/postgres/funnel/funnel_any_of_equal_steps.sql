WITH unsettled AS MATERIALIZED (
  SELECT *, CAST(row_number() OVER () AS INTEGER) AS id
  FROM (SELECT DISTINCT user_id AS u FROM events WHERE user_id IS NOT NULL AND (name = CAST($1 AS text))) AS everybody
),
marked AS (
  SELECT id, timestamp AS t, CASE WHEN name = CAST($1 AS text) THEN 1 WHEN name = CAST($1 AS text) THEN 2 ELSE 3 END * 4 + CASE WHEN name = CAST($1 AS text) THEN 1 ELSE 0 END + CASE WHEN name = CAST($1 AS text) THEN 2 ELSE 0 END AS place, CASE WHEN name = CAST($1 AS text) THEN 1 ELSE 0 END AS s1, CASE WHEN name = CAST($1 AS text) THEN 1 ELSE 0 END AS s2
  FROM (SELECT * FROM events WHERE user_id IS NOT NULL AND (name = CAST($1 AS text))) AS events
  JOIN unsettled ON u = user_id
),
counted AS (
  SELECT id, t, CASE WHEN s1 = 1 THEN t END AS n1, CASE WHEN s2 = 1 THEN lead(t, 1) OVER (PARTITION BY id, s2 ORDER BY t) END AS n2
  FROM marked
),
followed AS (
  SELECT id, t, min(n1) OVER walk AS n1, min(n2) OVER walk AS n2
  FROM counted WINDOW walk AS (PARTITION BY id ORDER BY t DESC)
),
done_in_time AS (
  SELECT id, ARRAY(SELECT at FROM unnest(ARRAY[CASE WHEN n1 <= t + INTERVAL '604800 seconds' THEN n1 END, CASE WHEN n2 <= t + INTERVAL '604800 seconds' THEN n2 END]) AS at WHERE at IS NOT NULL ORDER BY at) AS done
  FROM followed
),
attempts AS (
  SELECT id, done[1] AS t1, done[2] AS t2
  FROM done_in_time
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
  SELECT unsettled.u, best.t1, best.t2
  FROM best JOIN unsettled ON unsettled.id = best.id
)
SELECT count(t1) AS c1,
  count(t2) AS c2,
  percentile_cont(0.5) WITHIN GROUP (ORDER BY CAST(CAST(extract(epoch FROM t2) * 1000000 AS bigint) - CAST(extract(epoch FROM t1) * 1000000 AS bigint) AS DOUBLE PRECISION) / 1000000),
  percentile_cont(0.9) WITHIN GROUP (ORDER BY CAST(CAST(extract(epoch FROM t2) * 1000000 AS bigint) - CAST(extract(epoch FROM t1) * 1000000 AS bigint) AS DOUBLE PRECISION) / 1000000)
FROM persons

-- $1: 'view'

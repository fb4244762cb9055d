WITH reached_1 AS (
  SELECT *, FALSE AS tied
  FROM (SELECT user_id AS u, min(timestamp) AS t1 FROM events WHERE site_id = $4 AND user_id IS NOT NULL AND ((1 = 1) OR timestamp IS NULL) GROUP BY user_id) AS firsts
),
next_2 AS (
  SELECT u, min(CASE WHEN timestamp > t1 AND (name = $1 AND (json_extract_string(properties, $2) = $3 AND left(CAST(json_extract(properties, $2) AS VARCHAR), 1) = '"')) THEN timestamp END) AS t2, sum(CASE WHEN timestamp = t1 THEN 1 END) AS ties
  FROM (SELECT * FROM events WHERE site_id = $4 AND user_id IS NOT NULL AND (1 = 1 OR (name = $1 AND (json_extract_string(properties, $2) = $3 AND left(CAST(json_extract(properties, $2) AS VARCHAR), 1) = '"')))) AS events
  JOIN reached_1 ON u = user_id AND timestamp >= t1
  GROUP BY u
),
reached_2 AS (
  SELECT reached_1.u, t1, t2, tied OR coalesce(ties, 0) > 1 AS tied
  FROM reached_1 LEFT JOIN next_2 ON next_2.u = reached_1.u
),
next_3 AS (
  SELECT u, min(CASE WHEN timestamp > t2 AND name = $1 THEN timestamp END) AS t3, sum(CASE WHEN timestamp = t2 THEN 1 END) AS ties
  FROM (SELECT * FROM events WHERE site_id = $4 AND user_id IS NOT NULL AND ((name = $1 AND (json_extract_string(properties, $2) = $3 AND left(CAST(json_extract(properties, $2) AS VARCHAR), 1) = '"')) OR name = $1)) AS events
  JOIN reached_2 ON u = user_id AND timestamp >= t2
  GROUP BY u
),
reached_3 AS (
  SELECT reached_2.u, t1, t2, t3, tied OR coalesce(ties, 0) > 1 AS tied
  FROM reached_2 LEFT JOIN next_3 ON next_3.u = reached_2.u
),
unsettled AS MATERIALIZED (
  SELECT *, CAST(row_number() OVER () AS INTEGER) AS id
  FROM reached_3 WHERE NOT (coalesce(t3, t2, t1) <= t1 + INTERVAL '604800 seconds' AND NOT tied)
),
marked AS (
  SELECT id, timestamp AS t, CASE WHEN 1 = 1 THEN 1 WHEN (name = $1 AND (json_extract_string(properties, $2) = $3 AND left(CAST(json_extract(properties, $2) AS VARCHAR), 1) = '"')) THEN 2 WHEN name = $1 THEN 3 ELSE 4 END * 8 + CASE WHEN 1 = 1 THEN 1 ELSE 0 END + CASE WHEN (name = $1 AND (json_extract_string(properties, $2) = $3 AND left(CAST(json_extract(properties, $2) AS VARCHAR), 1) = '"')) THEN 2 ELSE 0 END + CASE WHEN name = $1 THEN 4 ELSE 0 END AS place, CASE WHEN 1 = 1 THEN 1 ELSE 0 END AS s1, CASE WHEN (name = $1 AND (json_extract_string(properties, $2) = $3 AND left(CAST(json_extract(properties, $2) AS VARCHAR), 1) = '"')) THEN 1 ELSE 0 END AS s2, CASE WHEN name = $1 THEN 1 ELSE 0 END AS s3
  FROM (SELECT * FROM events WHERE site_id = $4 AND user_id IS NOT NULL AND (1 = 1 OR (name = $1 AND (json_extract_string(properties, $2) = $3 AND left(CAST(json_extract(properties, $2) AS VARCHAR), 1) = '"')) OR name = $1)) AS events
  JOIN unsettled ON u = user_id
),
numbered AS (
  SELECT *, row_number() OVER (PARTITION BY id ORDER BY t DESC, place DESC) AS step
  FROM marked
),
at_3 AS (
  SELECT id, t, step, s1, s2, s3 FROM numbered WHERE s3 = 1 OR s2 = 1
),
from_3 AS (
  SELECT id, t, step, s1, s2, s3, min(CASE WHEN s3 = 1 THEN t END) OVER walk AS n3
  FROM at_3 WINDOW walk AS (PARTITION BY id ORDER BY step ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING)
),
at_2 AS (
  SELECT id, t, step, s1, s2, s3, n3 FROM from_3 WHERE s2 = 1
  UNION ALL
  SELECT id, t, step, s1, s2, s3, CAST(NULL AS TIMESTAMP) AS n3 FROM numbered WHERE s1 = 1 AND NOT s2 = 1
),
from_2 AS (
  SELECT id, t, step, s1, s2, s3, min(CASE WHEN s2 = 1 THEN t END) OVER walk AS n2, min(CASE WHEN s2 = 1 THEN n3 END) OVER walk AS n3
  FROM at_2 WINDOW walk AS (PARTITION BY id ORDER BY step ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING)
),
attempts AS (
  SELECT id, t AS t1, CASE WHEN n2 <= t + INTERVAL '604800 seconds' THEN n2 END AS t2, CASE WHEN n3 <= t + INTERVAL '604800 seconds' THEN n3 END AS t3
  FROM from_2 WHERE s1 = 1
),
by_reach AS (
  SELECT id, CASE WHEN t1 IS NULL THEN 0 ELSE 1 END + CASE WHEN t2 IS NULL THEN 0 ELSE 1 END + CASE WHEN t3 IS NULL THEN 0 ELSE 1 END AS done, min(t1) AS t1, min(t2) AS t2, min(t3) AS t3
  FROM attempts
  GROUP BY id, done
),
ranked_reach AS (
  SELECT *, row_number() OVER (PARTITION BY id ORDER BY done DESC) AS place
  FROM by_reach
),
best AS (
  SELECT id, t1, t2, t3
  FROM ranked_reach WHERE place = 1
),
persons AS (
  SELECT u, t1, t2, t3
  FROM reached_3 WHERE coalesce(t3, t2, t1) <= t1 + INTERVAL '604800 seconds' AND NOT tied
  UNION ALL
  SELECT unsettled.u, best.t1, best.t2, best.t3
  FROM best JOIN unsettled ON unsettled.id = best.id
),
begun AS (
  SELECT u, min(t1) AS since
  FROM persons
  GROUP BY u
),
dims AS (
  SELECT begun.u, min(d) AS d
  FROM begun JOIN (SELECT user_id, timestamp, path AS d FROM events WHERE site_id = $4 AND user_id IS NOT NULL AND (1 = 1)) AS began ON user_id = begun.u AND timestamp = since
  GROUP BY begun.u
),
valued AS (
  SELECT t1, t2, t3, d
  FROM persons JOIN dims ON dims.u = persons.u
),
ranked AS (
  SELECT d, row_number() OVER (ORDER BY count(*) DESC, d NULLS LAST) AS place
  FROM valued
  GROUP BY d
  ORDER BY place
  LIMIT 3
)
SELECT place,
  ranked.d,
  count(t1) AS c1,
  count(t2) AS c2,
  count(t3) AS c3,
  quantile_cont(CAST(epoch_us(t2) - epoch_us(t1) AS DOUBLE PRECISION) / 1000000, 0.5),
  quantile_cont(CAST(epoch_us(t2) - epoch_us(t1) AS DOUBLE PRECISION) / 1000000, 0.9),
  quantile_cont(CAST(epoch_us(t3) - epoch_us(t2) AS DOUBLE PRECISION) / 1000000, 0.5),
  quantile_cont(CAST(epoch_us(t3) - epoch_us(t2) AS DOUBLE PRECISION) / 1000000, 0.9)
FROM valued LEFT JOIN ranked ON valued.d IS NOT DISTINCT FROM ranked.d
GROUP BY place, ranked.d
ORDER BY place NULLS LAST

-- $1: 'add'
-- $2: '/plan'
-- $3: 'pro'
-- $4: 'default'

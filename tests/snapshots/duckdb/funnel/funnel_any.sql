WITH firsts AS (
  SELECT user_id AS u, min(CASE WHEN name = $1 THEN timestamp END) AS d1, min(CASE WHEN name = $2 THEN timestamp END) AS d2
  FROM events WHERE site_id = $3 AND user_id IS NOT NULL AND (name = $1 OR name = $2)
  GROUP BY user_id
),
unsettled AS MATERIALIZED (
  SELECT *, CAST(row_number() OVER () AS INTEGER) AS id
  FROM firsts WHERE NOT (greatest(d1, d2) <= least(d1, d2) + INTERVAL '604800 seconds')
),
in_time AS (
  SELECT u, list_sort(list_filter([d1, d2], lambda moment: moment IS NOT NULL)) AS done FROM firsts WHERE greatest(d1, d2) <= least(d1, d2) + INTERVAL '604800 seconds'
),
marked AS (
  SELECT id, timestamp AS t, CAST(CASE WHEN name = $1 THEN 1 WHEN name = $2 THEN 2 ELSE 3 END AS SMALLINT) AS place
  FROM (SELECT * FROM events WHERE site_id = $3 AND user_id IS NOT NULL AND (name = $1 OR name = $2)) AS events
  JOIN unsettled ON u = user_id
),
counted AS (
  SELECT id, t, CASE WHEN place = 1 THEN t END AS n1, CASE WHEN place = 2 THEN t END AS n2
  FROM marked
),
followed AS (
  SELECT id, t, min(n1) OVER walk AS n1, min(n2) OVER walk AS n2
  FROM counted WINDOW walk AS (PARTITION BY id ORDER BY t DESC)
),
done_in_time AS (
  SELECT id, list_sort(list_filter([CASE WHEN n1 <= t + INTERVAL '604800 seconds' THEN n1 END, CASE WHEN n2 <= t + INTERVAL '604800 seconds' THEN n2 END], lambda moment: moment IS NOT NULL)) AS done
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
  SELECT u, done[1] AS t1, done[2] AS t2
  FROM in_time
  UNION ALL
  SELECT unsettled.u, best.t1, best.t2
  FROM best JOIN unsettled ON unsettled.id = best.id
)
SELECT count(t1) AS c1,
  count(t2) AS c2,
  quantile_cont(CAST(epoch_us(t2) - epoch_us(t1) AS DOUBLE PRECISION) / 1000000, 0.5),
  quantile_cont(CAST(epoch_us(t2) - epoch_us(t1) AS DOUBLE PRECISION) / 1000000, 0.9)
FROM persons

-- $1: 'view'
-- $2: 'buy'
-- $3: 'default'

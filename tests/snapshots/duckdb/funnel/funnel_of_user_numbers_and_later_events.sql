WITH new_users AS MATERIALIZED (
  SELECT seen.user_id AS of_id, CAST(coalesce(number, (SELECT coalesce(max(number), 0) FROM user_numbers) + row_number() OVER ()) AS UINTEGER) AS of_number
  FROM (SELECT DISTINCT user_id FROM events WHERE rowid >= 1000 AND user_id IS NOT NULL) AS seen LEFT JOIN user_numbers ON user_numbers.user_id = seen.user_id
),
reached_1 AS MATERIALIZED (
  SELECT *, u AS id
  FROM (SELECT u, min(t1) AS t1 FROM (SELECT user_id AS u, min(timestamp) AS t1 FROM (SELECT * REPLACE (user_number AS user_id), user_id AS sent_id FROM events WHERE rowid < 1000) AS events WHERE site_id = $4 AND timestamp >= $5 AND timestamp < $6 AND user_id IS NOT NULL AND ((name = $1) OR timestamp IS NULL) GROUP BY user_id UNION ALL SELECT user_id AS u, min(timestamp) AS t1 FROM (SELECT events.* REPLACE (of_number AS user_id), events.user_id AS sent_id
      FROM events LEFT JOIN new_users ON of_id = events.user_id WHERE events.rowid >= 1000) AS events WHERE site_id = $4 AND timestamp >= $5 AND timestamp < $6 AND user_id IS NOT NULL AND ((name = $1) OR timestamp IS NULL) GROUP BY user_id) GROUP BY u) AS firsts
),
later AS (
  SELECT user_id AS id, timestamp AS t, CAST(CASE WHEN name = $2 THEN 2 ELSE 3 END AS SMALLINT) AS place
  FROM (
      FROM (SELECT * REPLACE (user_number AS user_id), user_id AS sent_id FROM events WHERE rowid < 1000) AS events
      UNION ALL
      FROM (SELECT events.* REPLACE (of_number AS user_id), events.user_id AS sent_id
          FROM events LEFT JOIN new_users ON of_id = events.user_id WHERE events.rowid >= 1000) AS events
  ) AS events WHERE site_id = $4 AND timestamp >= $5 AND timestamp < $6 AND user_id IS NOT NULL AND (name = $2 OR name = $3)
),
next_2 AS (
  SELECT later.id, min(t) AS t2
  FROM later JOIN reached_1 ON reached_1.id = later.id AND t >= t1
  WHERE place = 2
  GROUP BY later.id
),
reached_2 AS (
  SELECT reached_1.id, reached_1.u, reached_1.t1, t2
  FROM reached_1 LEFT JOIN next_2 ON next_2.id = reached_1.id
),
next_3 AS (
  SELECT later.id, min(t) AS t3
  FROM later JOIN reached_2 ON reached_2.id = later.id AND t >= t2
  WHERE place = 3
  GROUP BY later.id
),
reached_3 AS (
  SELECT reached_2.id, reached_2.u, reached_2.t1, reached_2.t2, t3
  FROM reached_2 LEFT JOIN next_3 ON next_3.id = reached_2.id
),
unsettled AS (
  SELECT *, coalesce(t3, t2, t1) - INTERVAL '604800 seconds' AS since
  FROM reached_3 WHERE NOT (coalesce(t3, t2, t1) <= t1 + INTERVAL '604800 seconds')
),
tries AS NOT MATERIALIZED (
  SELECT id, timestamp AS t
  FROM (SELECT * FROM (
      FROM (SELECT * REPLACE (user_number AS user_id), user_id AS sent_id FROM events WHERE rowid < 1000) AS events
      UNION ALL
      FROM (SELECT events.* REPLACE (of_number AS user_id), events.user_id AS sent_id
          FROM events LEFT JOIN new_users ON of_id = events.user_id WHERE events.rowid >= 1000) AS events
  ) AS events WHERE site_id = $4 AND timestamp >= $5 AND timestamp < $6 AND user_id IS NOT NULL AND ((name = $1) OR timestamp IS NULL)) AS events JOIN unsettled ON u = user_id
),
again_1 AS (
  SELECT tries.id, min(t) AS t1
  FROM tries JOIN unsettled ON unsettled.id = tries.id AND t >= since
  GROUP BY tries.id
),
again_2 AS (
  SELECT again_1.id, t1, min(t) AS t2
  FROM again_1 LEFT JOIN later ON later.id = again_1.id AND t >= t1 AND place = 2
  GROUP BY again_1.id, t1
),
again_3 AS (
  SELECT again_2.id, t1, t2, min(t) AS t3
  FROM again_2 LEFT JOIN later ON later.id = again_2.id AND t >= t2 AND place = 3
  GROUP BY again_2.id, t1, t2
),
again AS (
  SELECT again_3.id, again_3.t1, again_3.t2, again_3.t3
  FROM again_3 JOIN unsettled ON unsettled.id = again_3.id WHERE CASE WHEN again_3.t1 IS NULL THEN 0 ELSE 1 END + CASE WHEN again_3.t2 IS NULL THEN 0 ELSE 1 END + CASE WHEN again_3.t3 IS NULL THEN 0 ELSE 1 END = CASE WHEN unsettled.t1 IS NULL THEN 0 ELSE 1 END + CASE WHEN unsettled.t2 IS NULL THEN 0 ELSE 1 END + CASE WHEN unsettled.t3 IS NULL THEN 0 ELSE 1 END AND coalesce(again_3.t3, again_3.t2, again_3.t1) <= again_3.t1 + INTERVAL '604800 seconds'
),
still_open AS (
  SELECT id FROM unsettled
  EXCEPT
  SELECT id FROM again
),
open AS (
  SELECT later.id, t, place FROM later JOIN still_open ON still_open.id = later.id
),
at_3 AS (
  SELECT id, t, place FROM open
),
from_3 AS (
  SELECT id, t, place, min(CASE WHEN place = 3 THEN t END) OVER walk AS n3
  FROM at_3 WINDOW walk AS (PARTITION BY id ORDER BY t DESC, place DESC ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING)
),
seconds AS (
  SELECT id, t AS n2, n3
  FROM from_3 WHERE place = 2
),
attempts AS (
  SELECT tried.id, tried.t AS t1, n2 AS t2, CASE WHEN n3 <= tried.t + INTERVAL '604800 seconds' THEN n3 END AS t3
  FROM (SELECT tries.id, t FROM tries JOIN still_open ON still_open.id = tries.id) AS tried
  JOIN seconds ON seconds.id = tried.id AND n2 >= tried.t AND n2 - INTERVAL '604800 seconds' <= tried.t
  UNION ALL
  SELECT unsettled.id, t1, CAST(NULL AS TIMESTAMP) AS t2, CAST(NULL AS TIMESTAMP) AS t3
  FROM unsettled JOIN still_open ON still_open.id = unsettled.id
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
  FROM reached_3 WHERE coalesce(t3, t2, t1) <= t1 + INTERVAL '604800 seconds'
  UNION ALL
  SELECT unsettled.u, again.t1, again.t2, again.t3
  FROM again JOIN unsettled ON unsettled.id = again.id
  UNION ALL
  SELECT unsettled.u, best.t1, best.t2, best.t3
  FROM best JOIN unsettled ON unsettled.id = best.id
)
SELECT count(t1) AS c1,
  count(t2) AS c2,
  count(t3) AS c3,
  quantile_cont(CAST(epoch_us(t2) - epoch_us(t1) AS DOUBLE PRECISION) / 1000000, 0.5),
  quantile_cont(CAST(epoch_us(t2) - epoch_us(t1) AS DOUBLE PRECISION) / 1000000, 0.9),
  quantile_cont(CAST(epoch_us(t3) - epoch_us(t2) AS DOUBLE PRECISION) / 1000000, 0.5),
  quantile_cont(CAST(epoch_us(t3) - epoch_us(t2) AS DOUBLE PRECISION) / 1000000, 0.9)
FROM persons

-- $1: 'view'
-- $2: 'add'
-- $3: 'buy'
-- $4: 'default'
-- $5: datetime.datetime(2025, 5, 1, 0, 0)
-- $6: datetime.datetime(2025, 6, 1, 0, 0)

WITH reached_1 AS MATERIALIZED (
  SELECT *, CAST(row_number() OVER () AS INTEGER) AS id
  FROM (SELECT user_id AS u, min(timestamp) AS t1 FROM (
      SELECT site_id, event_id, name, timestamp, received_at, session_id, source, path, properties, coalesce(person_id, user_id) AS user_id, user_id AS sent_id
      FROM events
      LEFT JOIN (
          SELECT user_id AS of_id, person_id
          FROM identities
          WHERE site_id = $3
      ) AS ids ON of_id = user_id
  ) AS events WHERE site_id = $3 AND user_id IS NOT NULL AND ((name = $1) OR timestamp IS NULL) GROUP BY user_id) AS firsts
),
later AS (
  SELECT id, timestamp AS t, CAST(2 AS SMALLINT) AS place
  FROM (SELECT * FROM (
      SELECT site_id, event_id, name, timestamp, received_at, session_id, source, path, properties, coalesce(person_id, user_id) AS user_id, user_id AS sent_id
      FROM events
      LEFT JOIN (
          SELECT user_id AS of_id, person_id
          FROM identities
          WHERE site_id = $3
      ) AS ids ON of_id = user_id
  ) AS events WHERE site_id = $3 AND user_id IS NOT NULL AND (name = $2)) AS events JOIN reached_1 ON u = user_id AND timestamp >= t1
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
unsettled AS (
  SELECT *, coalesce(t2, t1) - INTERVAL '604800 seconds' AS since
  FROM reached_2 WHERE NOT (coalesce(t2, t1) <= t1 + INTERVAL '604800 seconds')
),
tries AS (
  SELECT id, timestamp AS t
  FROM (SELECT * FROM (
      SELECT site_id, event_id, name, timestamp, received_at, session_id, source, path, properties, coalesce(person_id, user_id) AS user_id, user_id AS sent_id
      FROM events
      LEFT JOIN (
          SELECT user_id AS of_id, person_id
          FROM identities
          WHERE site_id = $3
      ) AS ids ON of_id = user_id
  ) AS events WHERE site_id = $3 AND user_id IS NOT NULL AND ((name = $1) OR timestamp IS NULL)) AS events JOIN unsettled ON u = user_id
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
again AS (
  SELECT again_2.id, again_2.t1, again_2.t2
  FROM again_2 JOIN unsettled ON unsettled.id = again_2.id WHERE CASE WHEN again_2.t1 IS NULL THEN 0 ELSE 1 END + CASE WHEN again_2.t2 IS NULL THEN 0 ELSE 1 END = CASE WHEN unsettled.t1 IS NULL THEN 0 ELSE 1 END + CASE WHEN unsettled.t2 IS NULL THEN 0 ELSE 1 END AND coalesce(again_2.t2, again_2.t1) <= again_2.t1 + INTERVAL '604800 seconds'
),
still_open AS (
  SELECT id FROM unsettled
  EXCEPT
  SELECT id FROM again
),
open AS (
  SELECT later.id, t, place FROM later JOIN still_open ON still_open.id = later.id
),
seconds AS (
  SELECT id, t AS n2
  FROM open WHERE place = 2
),
attempts AS (
  SELECT tried.id, tried.t AS t1, n2 AS t2
  FROM (SELECT tries.id, t FROM tries JOIN still_open ON still_open.id = tries.id) AS tried
  JOIN seconds ON seconds.id = tried.id AND n2 >= tried.t AND n2 - INTERVAL '604800 seconds' <= tried.t
  UNION ALL
  SELECT unsettled.id, t1, CAST(NULL AS TIMESTAMP) AS t2
  FROM unsettled JOIN still_open ON still_open.id = unsettled.id
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
  SELECT u, t1, t2
  FROM reached_2 WHERE coalesce(t2, t1) <= t1 + INTERVAL '604800 seconds'
  UNION ALL
  SELECT unsettled.u, again.t1, again.t2
  FROM again JOIN unsettled ON unsettled.id = again.id
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

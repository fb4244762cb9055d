WITH new_users AS MATERIALIZED (
  SELECT seen.user_id AS of_id, CAST(coalesce(number, (SELECT coalesce(max(number), 0) FROM user_numbers) + row_number() OVER ()) AS UINTEGER) AS of_number
  FROM (SELECT DISTINCT user_id FROM events WHERE rowid >= 1000 AND user_id IS NOT NULL) AS seen LEFT JOIN user_numbers ON user_numbers.user_id = seen.user_id
),
scoped AS (
  SELECT (epoch_us(timestamp)) // 86400000000 * 86400000000 AS b, path AS d0, user_id, (p0 = $1 AND k0 = 1) AS f0, (p0 = $1 AND k0 = 1) AS f1, name = $2 AS f2
  FROM (FROM (SELECT * FROM (SELECT * REPLACE (user_number AS user_id), user_id AS sent_id FROM events WHERE rowid < 1000) AS events WHERE shredded >= 1
    UNION ALL SELECT * REPLACE (CASE left(CAST(json_extract(properties, $6) AS VARCHAR), 1) WHEN 'n' THEN NULL WHEN '"' THEN CASE WHEN contains(CAST(json_extract(properties, $6) AS VARCHAR), '\') THEN CAST(CAST(json_extract(properties, $6) AS VARCHAR) AS JSON)->>'$' ELSE substr(CAST(json_extract(properties, $6) AS VARCHAR), 2, length(CAST(json_extract(properties, $6) AS VARCHAR)) - 2) END ELSE CAST(json_extract(properties, $6) AS VARCHAR) END AS p0, CASE left(CAST(json_extract(properties, $6) AS VARCHAR), 1) WHEN '"' THEN 1 WHEN 't' THEN 3 WHEN 'f' THEN 3 WHEN '[' THEN 4 WHEN '{' THEN 4 WHEN 'n' THEN NULL ELSE CASE WHEN CAST(json_extract(properties, $6) AS VARCHAR) IS NOT NULL THEN 2 END END AS k0)
    FROM (SELECT * REPLACE (user_number AS user_id), user_id AS sent_id FROM events WHERE rowid < 1000) AS events WHERE shredded IS NULL OR shredded < 1) AS events UNION ALL FROM (SELECT * FROM (SELECT events.* REPLACE (of_number AS user_id), events.user_id AS sent_id
    FROM events LEFT JOIN new_users ON of_id = events.user_id WHERE events.rowid >= 1000) AS events WHERE shredded >= 1
    UNION ALL SELECT * REPLACE (CASE left(CAST(json_extract(properties, $6) AS VARCHAR), 1) WHEN 'n' THEN NULL WHEN '"' THEN CASE WHEN contains(CAST(json_extract(properties, $6) AS VARCHAR), '\') THEN CAST(CAST(json_extract(properties, $6) AS VARCHAR) AS JSON)->>'$' ELSE substr(CAST(json_extract(properties, $6) AS VARCHAR), 2, length(CAST(json_extract(properties, $6) AS VARCHAR)) - 2) END ELSE CAST(json_extract(properties, $6) AS VARCHAR) END AS p0, CASE left(CAST(json_extract(properties, $6) AS VARCHAR), 1) WHEN '"' THEN 1 WHEN 't' THEN 3 WHEN 'f' THEN 3 WHEN '[' THEN 4 WHEN '{' THEN 4 WHEN 'n' THEN NULL ELSE CASE WHEN CAST(json_extract(properties, $6) AS VARCHAR) IS NOT NULL THEN 2 END END AS k0)
    FROM (SELECT events.* REPLACE (of_number AS user_id), events.user_id AS sent_id
    FROM events LEFT JOIN new_users ON of_id = events.user_id WHERE events.rowid >= 1000) AS events WHERE shredded IS NULL OR shredded < 1) AS events) AS events WHERE site_id = $3 AND timestamp >= $4 AND timestamp < $5 AND ((p0 = $1 AND k0 = 1) OR name = $2)
),
ranked AS (
  SELECT d0, row_number() OVER (ORDER BY m0 DESC NULLS LAST, d0 NULLS LAST) AS place
  FROM (SELECT d0, count(DISTINCT CASE WHEN f0 THEN user_id END) AS m0 FROM scoped
GROUP BY d0) AS ranking
  ORDER BY place
  LIMIT 3
)
SELECT b AS bucket, ranked.d0, count(DISTINCT CASE WHEN f0 THEN user_id END) AS m0, CAST(count(CASE WHEN f1 THEN user_id END) AS DOUBLE PRECISION) / nullif(count(DISTINCT CASE WHEN f1 THEN user_id END), 0) AS m1, count(CASE WHEN f2 THEN 1 END) AS m2
FROM scoped JOIN ranked ON scoped.d0 IS NOT DISTINCT FROM ranked.d0
GROUP BY b, place, ranked.d0
ORDER BY b, place NULLS LAST
LIMIT 10001

-- $1: 'pro'
-- $2: 'page_view'
-- $3: 'default'
-- $4: datetime.datetime(2025, 5, 1, 0, 0)
-- $5: datetime.datetime(2025, 6, 1, 0, 0)
-- $6: '/plan'

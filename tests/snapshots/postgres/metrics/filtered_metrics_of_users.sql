WITH scoped AS (
  SELECT date_bin('86400 seconds', timestamp, TIMESTAMPTZ '1970-01-01 00:00:00+00') AS b, path AS d0, user_id, count(*) AS events, count(CASE WHEN (properties ->> CAST($1 AS text) COLLATE "C" = CAST($2 AS text) AND json_typeof(properties -> CAST($1 AS text) COLLATE "C") = 'string') THEN 1 END) AS e0, count(CASE WHEN (properties ->> CAST($1 AS text) COLLATE "C" = CAST($2 AS text) AND json_typeof(properties -> CAST($1 AS text) COLLATE "C") = 'string') THEN 1 END) AS e1, count(CASE WHEN name = CAST($3 AS text) THEN 1 END) AS e2
  FROM events WHERE site_id = CAST($4 AS text) AND timestamp >= CAST($5 AS timestamptz) AND timestamp < CAST($6 AS timestamptz) AND ((properties ->> CAST($1 AS text) COLLATE "C" = CAST($2 AS text) AND json_typeof(properties -> CAST($1 AS text) COLLATE "C") = 'string') OR name = CAST($3 AS text))
  GROUP BY b, d0, user_id
),
ranked AS (
  SELECT d0, row_number() OVER (ORDER BY m0 DESC NULLS LAST, d0 NULLS LAST) AS place
  FROM (SELECT d0, count(DISTINCT CASE WHEN e0 > 0 THEN user_id END) AS m0 FROM scoped
GROUP BY d0) AS ranking
  ORDER BY place
  LIMIT 3
)
SELECT CAST(extract(epoch FROM b) * 1000000 AS bigint) AS bucket, ranked.d0, count(DISTINCT CASE WHEN e0 > 0 THEN user_id END) AS m0, CAST(sum(e1) FILTER (WHERE user_id IS NOT NULL) AS DOUBLE PRECISION) / nullif(count(DISTINCT CASE WHEN e1 > 0 THEN user_id END), 0) AS m1, coalesce(CAST(sum(e2) AS BIGINT), 0) AS m2
FROM scoped JOIN ranked ON coalesce(scoped.d0, '') = coalesce(ranked.d0, '') AND (scoped.d0 IS NULL) = (ranked.d0 IS NULL)
GROUP BY b, place, ranked.d0
ORDER BY b, place NULLS LAST
LIMIT 10001

-- $1: 'plan'
-- $2: 'pro'
-- $3: 'page_view'
-- $4: 'default'
-- $5: datetime.datetime(2025, 5, 1, 0, 0, tzinfo=datetime.timezone.utc)
-- $6: datetime.datetime(2025, 6, 1, 0, 0, tzinfo=datetime.timezone.utc)

WITH counts AS (
  SELECT b, coalesce(CAST(sum(CASE WHEN f0 THEN events END) AS BIGINT), 0) AS m0
  FROM (SELECT date_trunc('month', bucket, 'UTC') AS b, events, last_received, name = CAST($1 AS text) AS f0
  FROM rollup WHERE site_id = CAST($2 AS text) AND bucket >= CAST($3 AS timestamptz) AND bucket < CAST($4 AS timestamptz)) AS scoped
GROUP BY b
HAVING sum(events) <> 0
), persons AS (
  SELECT b, count(user_id) AS m1
  FROM (SELECT DISTINCT date_trunc('month', CAST(day AS timestamp) AT TIME ZONE 'UTC', 'UTC') AS b, user_id
  FROM people_days WHERE site_id = CAST($2 AS text) AND day >= CAST($5 AS date) AND day < CAST($6 AS date)) AS scoped
GROUP BY b
)
SELECT CAST(extract(epoch FROM counts.b) * 1000000 AS bigint) AS bucket, m0, coalesce(m1, 0) AS m1
FROM counts LEFT JOIN persons ON persons.b = counts.b
ORDER BY counts.b NULLS LAST
LIMIT 20001

-- $1: 'signup'
-- $2: 'default'
-- $3: datetime.datetime(2025, 5, 1, 0, 0, tzinfo=datetime.timezone.utc)
-- $4: datetime.datetime(2025, 6, 1, 0, 0, tzinfo=datetime.timezone.utc)
-- $5: datetime.date(2025, 5, 1)
-- $6: datetime.date(2025, 6, 1)

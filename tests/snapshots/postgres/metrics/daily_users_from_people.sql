WITH counts AS (
  SELECT b
  FROM (SELECT date_bin('86400 seconds', bucket, TIMESTAMPTZ '1970-01-01 00:00:00+00') AS b, events, last_received
  FROM rollup WHERE site_id = CAST($1 AS text) AND bucket >= CAST($2 AS timestamptz) AND bucket < CAST($3 AS timestamptz)) AS scoped
GROUP BY b
HAVING sum(events) <> 0
), persons AS (
  SELECT b, count(user_id) AS m0
  FROM (SELECT CAST(day AS timestamp) AT TIME ZONE 'UTC' AS b, user_id
  FROM people_days WHERE site_id = CAST($1 AS text) AND day >= CAST($4 AS date) AND day < CAST($5 AS date)) AS scoped
GROUP BY b
)
SELECT CAST(extract(epoch FROM counts.b) * 1000000 AS bigint) AS bucket, coalesce(m0, 0) AS m0
FROM counts LEFT JOIN persons ON persons.b = counts.b
ORDER BY counts.b NULLS LAST
LIMIT 20001

-- $1: 'default'
-- $2: datetime.datetime(2025, 5, 1, 0, 0, tzinfo=datetime.timezone.utc)
-- $3: datetime.datetime(2025, 6, 1, 0, 0, tzinfo=datetime.timezone.utc)
-- $4: datetime.date(2025, 5, 1)
-- $5: datetime.date(2025, 6, 1)

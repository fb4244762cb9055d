WITH counts AS (
  SELECT b, d0, coalesce(CAST(sum(events) AS BIGINT), 0) AS m0
  FROM (SELECT date_bin('604800 seconds', bucket, TIMESTAMPTZ '1970-01-05 00:00:00+00') AS b, site_id AS d0, events, last_received
  FROM rollup WHERE bucket >= CAST($1 AS timestamptz) AND bucket < CAST($2 AS timestamptz)) AS scoped
GROUP BY b, d0
HAVING sum(events) <> 0
), persons AS (
  SELECT b, d0, count(user_id) AS m1
  FROM (SELECT DISTINCT date_bin('604800 seconds', CAST(day AS timestamp) AT TIME ZONE 'UTC', TIMESTAMPTZ '1970-01-05 00:00:00+00') AS b, site_id AS d0, user_id
  FROM people_days WHERE day >= CAST($3 AS date) AND day < CAST($4 AS date)) AS scoped
GROUP BY b, d0
)
SELECT CAST(extract(epoch FROM counts.b) * 1000000 AS bigint) AS bucket, counts.d0, m0, coalesce(m1, 0) AS m1
FROM counts LEFT JOIN persons ON persons.b = counts.b AND persons.d0 = counts.d0
ORDER BY counts.b NULLS LAST, counts.d0 NULLS LAST
LIMIT 10001

-- $1: datetime.datetime(2025, 5, 1, 0, 0, tzinfo=datetime.timezone.utc)
-- $2: datetime.datetime(2025, 6, 1, 0, 0, tzinfo=datetime.timezone.utc)
-- $3: datetime.date(2025, 5, 1)
-- $4: datetime.date(2025, 6, 1)

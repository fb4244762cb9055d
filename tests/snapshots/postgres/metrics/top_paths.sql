WITH scoped AS (
  SELECT path AS d0
  FROM events WHERE site_id = CAST($1 AS text) AND timestamp >= CAST($2 AS timestamptz) AND timestamp < CAST($3 AS timestamptz)
)
SELECT d0, count(*) AS m0
FROM scoped
GROUP BY d0
ORDER BY m0 DESC NULLS LAST, d0 NULLS LAST
LIMIT 10

-- $1: 'default'
-- $2: datetime.datetime(2025, 5, 1, 0, 0, tzinfo=datetime.timezone.utc)
-- $3: datetime.datetime(2025, 6, 1, 0, 0, tzinfo=datetime.timezone.utc)

WITH scoped AS (
  SELECT name AS d0, events, last_received
  FROM rollup WHERE site_id = CAST($1 AS text) AND bucket >= CAST($2 AS timestamptz) AND bucket < CAST($3 AS timestamptz)
)
SELECT d0, coalesce(CAST(sum(events) AS BIGINT), 0) AS m0
FROM scoped
GROUP BY d0
HAVING sum(events) <> 0
ORDER BY m0 DESC NULLS LAST, d0 NULLS LAST
LIMIT 10

-- $1: 'default'
-- $2: datetime.datetime(2025, 5, 1, 0, 0, tzinfo=datetime.timezone.utc)
-- $3: datetime.datetime(2025, 6, 1, 0, 0, tzinfo=datetime.timezone.utc)

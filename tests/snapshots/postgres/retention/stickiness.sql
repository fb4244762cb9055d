WITH active AS (
  SELECT DISTINCT user_id AS u, date_bin('86400 seconds', timestamp, TIMESTAMPTZ '1970-01-01 00:00:00+00') AS b
  FROM events WHERE site_id = CAST($1 AS text) AND timestamp >= CAST($2 AS timestamptz) AND timestamp < CAST($3 AS timestamptz) AND name = CAST($4 AS text) AND user_id IS NOT NULL
),
counted AS (
  SELECT u, count(*) AS periods, min(b) AS first, max(b) AS last
  FROM active
  GROUP BY u
)
SELECT periods, count(*) AS users, CAST(extract(epoch FROM min(first)) * 1000000 AS bigint) AS first, CAST(extract(epoch FROM max(last)) * 1000000 AS bigint) AS last
FROM counted
GROUP BY periods
ORDER BY periods

-- $1: 'default'
-- $2: datetime.datetime(2025, 5, 1, 0, 0, tzinfo=datetime.timezone.utc)
-- $3: datetime.datetime(2025, 6, 1, 0, 0, tzinfo=datetime.timezone.utc)
-- $4: 'buy'

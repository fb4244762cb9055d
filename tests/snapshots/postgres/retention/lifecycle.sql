WITH active AS (
  SELECT DISTINCT user_id AS u, CASE WHEN bucket < TIMESTAMPTZ '2025-03-30 01:00:00+00' THEN date_trunc('month', bucket + INTERVAL '3600 seconds', 'UTC') ELSE date_trunc('month', bucket + INTERVAL '7200 seconds', 'UTC') END AS b
  FROM people WHERE site_id = CAST($2 AS text) AND bucket < CAST($3 AS timestamptz)
),
walked AS (
  SELECT b, lag(b) OVER (PARTITION BY u ORDER BY b) AS before
  FROM active
)
SELECT CAST(extract(epoch FROM b) * 1000000 AS bigint) AS period, before IS NULL AS fresh, CASE WHEN b <= before + INTERVAL '2678400 seconds' THEN CAST(extract(epoch FROM before) * 1000000 AS bigint) END AS near, count(*) AS users
FROM walked WHERE b >= CAST($1 AS timestamptz)
GROUP BY 1, 2, 3

-- $1: datetime.datetime(2025, 2, 28, 0, 0, tzinfo=datetime.timezone.utc)
-- $2: 'default'
-- $3: datetime.datetime(2025, 6, 1, 0, 0, tzinfo=datetime.timezone.utc)

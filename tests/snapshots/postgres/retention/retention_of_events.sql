WITH began AS (
  SELECT u, date_bin('604800 seconds', first, TIMESTAMPTZ '1970-01-05 00:00:00+00') AS b
  FROM (
    SELECT user_id AS u, min(timestamp) AS first
    FROM events WHERE site_id = CAST($4 AS text) AND timestamp < CAST($6 AS timestamptz) AND name = CAST($1 AS text) AND user_id IS NOT NULL
    GROUP BY user_id
  ) AS firsts WHERE first >= CAST($5 AS timestamptz)
),
came AS (
  SELECT DISTINCT user_id AS u, date_bin('604800 seconds', timestamp, TIMESTAMPTZ '1970-01-05 00:00:00+00') AS b
  FROM events WHERE site_id = CAST($4 AS text) AND timestamp >= CAST($5 AS timestamptz) AND timestamp < CAST($6 AS timestamptz) AND (properties ->> CAST($2 AS text) COLLATE "C" = CAST($3 AS text) AND json_typeof(properties -> CAST($2 AS text) COLLATE "C") = 'string') AND user_id IS NOT NULL
)
SELECT CAST(extract(epoch FROM began.b) * 1000000 AS bigint) AS cohort, NULL AS period, count(*) AS users
FROM began
GROUP BY b
UNION ALL
SELECT CAST(extract(epoch FROM began.b) * 1000000 AS bigint), CAST(extract(epoch FROM came.b) * 1000000 AS bigint), count(*)
FROM began JOIN came ON came.u = began.u AND came.b >= began.b AND came.b <= began.b + INTERVAL '5443200 seconds'
GROUP BY began.b, came.b
LIMIT 102001

-- $1: 'sign_up'
-- $2: 'plan'
-- $3: 'pro'
-- $4: 'default'
-- $5: datetime.datetime(2025, 5, 1, 0, 0, tzinfo=datetime.timezone.utc)
-- $6: datetime.datetime(2025, 6, 1, 0, 0, tzinfo=datetime.timezone.utc)

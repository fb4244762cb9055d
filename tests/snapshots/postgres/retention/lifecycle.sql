WITH active_persons AS (
    SELECT DISTINCT user_id AS person, CASE WHEN bucket < TIMESTAMPTZ '2025-03-30 01:00:00+00' THEN date_trunc('month', bucket + INTERVAL '3600 seconds', 'UTC') ELSE date_trunc('month', bucket + INTERVAL '7200 seconds', 'UTC') END AS period_key
    FROM people
    WHERE site_id = CAST($2 AS text)
        AND bucket < CAST($3 AS timestamptz)
),
activity AS (
    SELECT period_key, lag(period_key) OVER (PARTITION BY person ORDER BY period_key) AS previous_key
    FROM active_persons
)
SELECT
    CAST(extract(epoch FROM period_key) * 1000000 AS bigint) AS period,
    previous_key IS NULL AS is_new,
    CASE WHEN period_key <= previous_key + INTERVAL '2678400 seconds' THEN CAST(extract(epoch FROM previous_key) * 1000000 AS bigint) END AS previous_period,
    count(*) AS users
FROM activity
WHERE period_key >= CAST($1 AS timestamptz)
GROUP BY period, is_new, previous_period

-- $1: datetime.datetime(2025, 2, 28, 0, 0, tzinfo=datetime.timezone.utc)
-- $2: 'default'
-- $3: datetime.datetime(2025, 6, 1, 0, 0, tzinfo=datetime.timezone.utc)

WITH active_persons AS (
    SELECT DISTINCT user_id AS person, date_bin('86400 seconds', timestamp, TIMESTAMPTZ '1970-01-01 00:00:00+00') AS period_key
    FROM events
    WHERE site_id = CAST($1 AS text)
        AND timestamp >= CAST($2 AS timestamptz)
        AND timestamp < CAST($3 AS timestamptz)
        AND name = CAST($4 AS text)
        AND user_id IS NOT NULL
),
periods_of_persons AS (
    SELECT person, count(*) AS periods, min(period_key) AS first_key, max(period_key) AS last_key
    FROM active_persons
    GROUP BY person
)
SELECT periods, count(*) AS users, CAST(extract(epoch FROM min(first_key)) * 1000000 AS bigint) AS first_period, CAST(extract(epoch FROM max(last_key)) * 1000000 AS bigint) AS last_period
FROM periods_of_persons
GROUP BY periods
ORDER BY periods

-- $1: 'default'
-- $2: datetime.datetime(2025, 5, 1, 0, 0, tzinfo=datetime.timezone.utc)
-- $3: datetime.datetime(2025, 6, 1, 0, 0, tzinfo=datetime.timezone.utc)
-- $4: 'buy'

WITH active_persons AS (
    SELECT DISTINCT user_id AS person, intDiv(toUnixTimestamp64Micro(timestamp), 86400000000) * 86400000000 AS period_key
    FROM events
    WHERE site_id = {p1:String}
        AND timestamp >= {p2:DateTime64(6, 'UTC')}
        AND timestamp < {p3:DateTime64(6, 'UTC')}
        AND name = {p4:String}
        AND user_id IS NOT NULL
),
periods_of_persons AS (
    SELECT person, count(*) AS periods, min(period_key) AS first_key, max(period_key) AS last_key
    FROM active_persons
    GROUP BY person
)
SELECT periods, count(*) AS users, min(first_key) AS first_period, max(last_key) AS last_period
FROM periods_of_persons
GROUP BY periods
ORDER BY periods

-- $1: 'default'
-- $2: datetime.datetime(2025, 5, 1, 0, 0, tzinfo=datetime.timezone.utc)
-- $3: datetime.datetime(2025, 6, 1, 0, 0, tzinfo=datetime.timezone.utc)
-- $4: 'buy'

WITH cohorts AS (
    SELECT DISTINCT user_id AS person, intDiv(toUnixTimestamp64Micro(timestamp), 86400000000) * 86400000000 AS period_key
    FROM events
    WHERE site_id = {p1:String}
        AND timestamp >= {p2:DateTime64(6, 'UTC')}
        AND timestamp < {p3:DateTime64(6, 'UTC')}
        AND user_id IS NOT NULL
),
returning_persons AS (
    SELECT DISTINCT user_id AS person, intDiv(toUnixTimestamp64Micro(timestamp), 86400000000) * 86400000000 AS period_key
    FROM events
    WHERE site_id = {p1:String}
        AND timestamp >= {p2:DateTime64(6, 'UTC')}
        AND timestamp < {p3:DateTime64(6, 'UTC')}
        AND user_id IS NOT NULL
)
SELECT cohorts.period_key AS cohort, NULL AS period, count(*) AS users
FROM cohorts
GROUP BY period_key
UNION ALL
SELECT cohorts.period_key, returning_persons.period_key, count(*)
FROM cohorts
JOIN returning_persons
    ON returning_persons.person = cohorts.person
    AND returning_persons.period_key >= cohorts.period_key
    AND returning_persons.period_key <= cohorts.period_key + 777600000000
GROUP BY cohorts.period_key, returning_persons.period_key
LIMIT 102001

-- $1: 'default'
-- $2: datetime.datetime(2025, 5, 1, 0, 0, tzinfo=datetime.timezone.utc)
-- $3: datetime.datetime(2025, 6, 1, 0, 0, tzinfo=datetime.timezone.utc)

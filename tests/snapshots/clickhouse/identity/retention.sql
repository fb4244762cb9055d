WITH cohorts AS (
    SELECT person, intDiv(toUnixTimestamp64Micro(first_at), 86400000000) * 86400000000 AS period_key
    FROM (
        SELECT user_id AS person, min(timestamp) AS first_at
        FROM (
            SELECT site_id, event_id, name, timestamp, received_at, session_id, source, path, properties, readable, events.ingester, events.seq, events.line, coalesce(person_id, user_id) AS user_id, user_id AS sent_id
            FROM events
            LEFT JOIN (
                SELECT user_id AS of_id, person_id
                FROM identities
                WHERE site_id = {p1:String}
            ) AS ids ON of_id = user_id
        ) AS events
        WHERE site_id = {p1:String}
            AND timestamp < {p3:DateTime64(6, 'UTC')}
            AND user_id IS NOT NULL
        GROUP BY user_id
    ) AS first_times
    WHERE first_at >= {p2:DateTime64(6, 'UTC')}
),
returning_persons AS (
    SELECT DISTINCT user_id AS person, intDiv(toUnixTimestamp64Micro(timestamp), 86400000000) * 86400000000 AS period_key
    FROM (
        SELECT site_id, event_id, name, timestamp, received_at, session_id, source, path, properties, readable, events.ingester, events.seq, events.line, coalesce(person_id, user_id) AS user_id, user_id AS sent_id
        FROM events
        LEFT JOIN (
            SELECT user_id AS of_id, person_id
            FROM identities
            WHERE site_id = {p1:String}
        ) AS ids ON of_id = user_id
    ) AS events
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

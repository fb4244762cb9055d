WITH active_persons AS (
    SELECT DISTINCT user_id AS person, CASE WHEN bucket < TIMESTAMP '2025-03-30 01:00:00' THEN epoch_us(date_trunc('month', bucket + INTERVAL (3600) SECOND)) ELSE epoch_us(date_trunc('month', bucket + INTERVAL (7200) SECOND)) END AS period_key
    FROM people
    WHERE site_id = $2
        AND bucket < $3
),
activity AS (
    SELECT period_key, lag(period_key) OVER (PARTITION BY person ORDER BY period_key) AS previous_key
    FROM active_persons
)
SELECT
    period_key AS period,
    previous_key IS NULL AS is_new,
    CASE WHEN period_key <= previous_key + 2678400000000 THEN previous_key END AS previous_period,
    count(*) AS users
FROM activity
WHERE period_key >= $1
GROUP BY period, is_new, previous_period

-- $1: 1740700800000000
-- $2: 'default'
-- $3: datetime.datetime(2025, 6, 1, 0, 0)

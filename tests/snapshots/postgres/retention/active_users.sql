WITH active_persons AS (
    SELECT user_id AS person, CAST(day AS timestamp) AT TIME ZONE 'UTC' AS period_key
    FROM people_days
    WHERE site_id = CAST($1 AS text)
        AND day >= CAST($2 AS date)
        AND day < CAST($3 AS date)
),
activity AS (
    SELECT
        period_key,
        lag(period_key) OVER days_of_person AS previous_key,
        lead(period_key) OVER days_of_person AS next_key
    FROM active_persons
    WINDOW days_of_person AS (PARTITION BY person ORDER BY period_key)
)
SELECT
    CAST(extract(epoch FROM period_key) * 1000000 AS bigint) AS day,
    count(*) AS dau,
    sum(CASE WHEN previous_key IS NULL OR period_key >= previous_key + INTERVAL '604800 seconds' THEN 1 ELSE 0 END) AS enter_wau,
    sum(CASE WHEN next_key IS NULL OR next_key >= period_key + INTERVAL '604800 seconds' THEN 1 ELSE 0 END) AS leave_wau,
    sum(CASE WHEN previous_key IS NULL OR period_key >= previous_key + INTERVAL '2592000 seconds' THEN 1 ELSE 0 END) AS enter_mau,
    sum(CASE WHEN next_key IS NULL OR next_key >= period_key + INTERVAL '2592000 seconds' THEN 1 ELSE 0 END) AS leave_mau
FROM activity
GROUP BY period_key

-- $1: 'default'
-- $2: datetime.date(2025, 4, 2)
-- $3: datetime.date(2025, 6, 1)

WITH active_persons AS (
    SELECT DISTINCT user_id AS person, intDiv(toUnixTimestamp64Micro(timestamp), 86400000000) * 86400000000 AS period_key
    FROM events
    WHERE site_id = {p1:String}
        AND timestamp >= {p2:DateTime64(6, 'UTC')}
        AND timestamp < {p3:DateTime64(6, 'UTC')}
        AND user_id IS NOT NULL
),
activity AS (
    SELECT
        period_key,
        lag(toNullable(period_key)) OVER days_of_person AS previous_key,
        lead(toNullable(period_key)) OVER days_of_person AS next_key
    FROM active_persons
    WINDOW days_of_person AS (PARTITION BY person ORDER BY period_key)
)
SELECT
    period_key AS day,
    count(*) AS dau,
    sum(CASE WHEN previous_key IS NULL OR period_key >= previous_key + 604800000000 THEN 1 ELSE 0 END) AS enter_wau,
    sum(CASE WHEN next_key IS NULL OR next_key >= period_key + 604800000000 THEN 1 ELSE 0 END) AS leave_wau,
    sum(CASE WHEN previous_key IS NULL OR period_key >= previous_key + 2592000000000 THEN 1 ELSE 0 END) AS enter_mau,
    sum(CASE WHEN next_key IS NULL OR next_key >= period_key + 2592000000000 THEN 1 ELSE 0 END) AS leave_mau
FROM activity
GROUP BY period_key

-- $1: 'default'
-- $2: datetime.datetime(2025, 4, 2, 0, 0, tzinfo=datetime.timezone.utc)
-- $3: datetime.datetime(2025, 6, 1, 0, 0, tzinfo=datetime.timezone.utc)

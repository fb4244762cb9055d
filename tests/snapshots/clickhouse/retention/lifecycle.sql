WITH active_persons AS (
    SELECT DISTINCT user_id AS person, CASE WHEN timestamp < toDateTime64('2025-03-30 01:00:00', 6, 'UTC') THEN dateDiff('day', toDate32('1970-01-01'), toStartOfMonth(addSeconds(timestamp, 3600))) * 86400000000 ELSE dateDiff('day', toDate32('1970-01-01'), toStartOfMonth(addSeconds(timestamp, 7200))) * 86400000000 END AS period_key
    FROM events
    WHERE site_id = {p2:String}
        AND timestamp < {p3:DateTime64(6, 'UTC')}
        AND user_id IS NOT NULL
),
activity AS (
    SELECT period_key, lag(toNullable(period_key)) OVER (PARTITION BY person ORDER BY period_key) AS previous_key
    FROM active_persons
)
SELECT
    period_key AS period,
    previous_key IS NULL AS is_new,
    CASE WHEN period_key <= previous_key + 2678400000000 THEN previous_key END AS previous_period,
    count(*) AS users
FROM activity
WHERE period_key >= {p1:Int64}
GROUP BY period, is_new, previous_period

-- $1: 1740700800000000
-- $2: 'default'
-- $3: datetime.datetime(2025, 6, 1, 0, 0, tzinfo=datetime.timezone.utc)

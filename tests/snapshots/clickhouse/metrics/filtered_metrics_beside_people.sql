WITH scoped AS (
    SELECT
        dateDiff('day', toDate32('1970-01-01'), toStartOfMonth(timestamp)) * 86400000000 AS bucket_key,
        user_id,
        name = {p1:String} AS passes_0
    FROM events
    WHERE site_id = {p2:String}
        AND timestamp >= {p3:DateTime64(6, 'UTC')}
        AND timestamp < {p4:DateTime64(6, 'UTC')}
)
SELECT
    bucket_key AS bucket,
    count(CASE WHEN passes_0 THEN 1 END) AS metric_0,
    count(DISTINCT user_id) AS metric_1
FROM scoped
GROUP BY bucket_key
ORDER BY bucket_key NULLS LAST
LIMIT 20001

-- $1: 'signup'
-- $2: 'default'
-- $3: datetime.datetime(2025, 5, 1, 0, 0, tzinfo=datetime.timezone.utc)
-- $4: datetime.datetime(2025, 6, 1, 0, 0, tzinfo=datetime.timezone.utc)

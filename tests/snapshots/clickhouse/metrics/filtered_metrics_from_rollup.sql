WITH scoped AS (
    SELECT
        intDiv(toUnixTimestamp64Micro(timestamp), 86400000000) * 86400000000 AS bucket_key,
        received_at,
        name = {p1:String} AS passes_0,
        name = {p1:String} AS passes_1,
        name = {p2:String} AS passes_2
    FROM events
    WHERE site_id = {p3:String}
        AND timestamp >= {p4:DateTime64(6, 'UTC')}
        AND timestamp < {p5:DateTime64(6, 'UTC')}
        AND (name = {p1:String} OR name = {p2:String})
)
SELECT
    bucket_key AS bucket,
    count(CASE WHEN passes_0 THEN 1 END) AS metric_0,
    toUnixTimestamp64Micro(max(CASE WHEN passes_1 THEN received_at END)) AS metric_1,
    count(CASE WHEN passes_2 THEN 1 END) AS metric_2
FROM scoped
GROUP BY bucket_key
ORDER BY bucket_key NULLS LAST
LIMIT 20001

-- $1: 'signup'
-- $2: 'page_view'
-- $3: 'default'
-- $4: datetime.datetime(2025, 5, 1, 0, 0, tzinfo=datetime.timezone.utc)
-- $5: datetime.datetime(2025, 6, 1, 0, 0, tzinfo=datetime.timezone.utc)

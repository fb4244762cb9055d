WITH scoped AS (
    SELECT
        intDiv(toUnixTimestamp64Micro(timestamp), 86400000000) * 86400000000 AS bucket_key,
        user_id
    FROM (
        SELECT site_id, event_id, name, timestamp, received_at, session_id, source, path, properties, readable, origin, events.ingester, events.seq, events.line, coalesce(person_id, user_id) AS user_id, user_id AS sent_id
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
)
SELECT
    bucket_key AS bucket,
    count(DISTINCT user_id) AS metric_0
FROM scoped
GROUP BY bucket_key
ORDER BY bucket_key NULLS LAST
LIMIT 20001

-- $1: 'default'
-- $2: datetime.datetime(2025, 5, 1, 0, 0, tzinfo=datetime.timezone.utc)
-- $3: datetime.datetime(2025, 6, 1, 0, 0, tzinfo=datetime.timezone.utc)

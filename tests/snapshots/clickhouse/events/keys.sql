WITH sampled_events AS (
    SELECT *
    FROM events
    WHERE site_id = {p1:String}
        AND timestamp >= {p2:DateTime64(6, 'UTC')}
        AND timestamp < {p4:DateTime64(6, 'UTC')}
    ORDER BY timestamp DESC, toUInt128(event_id) DESC, site_id DESC
    LIMIT 100000
),
newest_events AS (
    SELECT arrayJoin(arrayDistinct(JSONExtractKeys(properties))) AS key
    FROM sampled_events AS events
)
SELECT key, count(*) AS events
FROM newest_events
GROUP BY key
ORDER BY events DESC, key
LIMIT 200

-- $1: 'default'
-- $2: datetime.datetime(2025, 5, 1, 0, 0, tzinfo=datetime.timezone.utc)
-- $3: datetime.datetime(2025, 5, 31, 23, 45, 0, 1, tzinfo=datetime.timezone.utc)
-- $4: datetime.datetime(2025, 6, 1, 0, 0, tzinfo=datetime.timezone.utc)

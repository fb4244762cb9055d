WITH quarter_hours AS (
    SELECT
        bucket,
        sum(events) AS events,
        sum(sum(events)) OVER (ORDER BY bucket DESC) AS events_from_here
    FROM rollup
    WHERE site_id = $1
        AND bucket >= $2
        AND bucket < $3
    GROUP BY bucket
),
sampled_events AS (
    SELECT *
    FROM events
    WHERE site_id = $1
        AND timestamp >= $2
        AND timestamp < $4
        AND timestamp >= coalesce(
            (
                SELECT bucket
                FROM quarter_hours
                WHERE events_from_here >= 100000 AND events_from_here - events < 100000
            ),
            TIMESTAMP '1970-01-01 00:00:00'
        )
    ORDER BY timestamp DESC, event_id DESC, site_id DESC
    LIMIT 100000
),
newest_events AS (
    SELECT unnest(list_distinct(json_keys(properties))) AS key
    FROM sampled_events AS events
)
SELECT key, count(*) AS events
FROM newest_events
GROUP BY key
ORDER BY events DESC, key
LIMIT 200

-- $1: 'default'
-- $2: datetime.datetime(2025, 5, 1, 0, 0)
-- $3: datetime.datetime(2025, 5, 31, 23, 45, 0, 1)
-- $4: datetime.datetime(2025, 6, 1, 0, 0)

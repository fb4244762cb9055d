WITH quarter_hours AS (
    SELECT
        bucket,
        sum(events) AS events,
        sum(sum(events)) OVER (ORDER BY bucket DESC) AS events_from_here
    FROM rollup
    WHERE site_id = CAST($1 AS text)
    GROUP BY bucket
),
sampled_events AS (
    SELECT *
    FROM events
    WHERE site_id = CAST($1 AS text)
        AND timestamp >= coalesce(
            (
                SELECT bucket
                FROM quarter_hours
                WHERE events_from_here >= 100000 AND events_from_here - events < 100000
            ),
            TIMESTAMPTZ '1970-01-01 00:00:00+00'
        )
    ORDER BY timestamp DESC, event_id DESC, site_id DESC
    LIMIT 100000
),
newest_events AS (
    SELECT path AS text, path AS value
    FROM sampled_events AS events
    WHERE name = CAST($2 AS text)
)
SELECT value, count(*) AS events
FROM newest_events
WHERE text IS NOT NULL
GROUP BY text, value
ORDER BY events DESC, text, value
LIMIT 50

-- $1: 'default'
-- $2: 'buy'

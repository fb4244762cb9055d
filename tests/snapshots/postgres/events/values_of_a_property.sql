WITH quarter_hours AS (
    SELECT
        bucket,
        sum(events) AS events,
        sum(sum(events)) OVER (ORDER BY bucket DESC) AS events_from_here
    FROM rollup
    WHERE site_id = CAST($2 AS text)
    GROUP BY bucket
),
sampled_events AS (
    SELECT *
    FROM events
    WHERE site_id = CAST($2 AS text)
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
    SELECT property_text(properties, CAST($1 AS text) COLLATE "C") AS text, json_compact(properties -> CAST($1 AS text) COLLATE "C") AS value
    FROM sampled_events AS events
)
SELECT value, count(*) AS events
FROM newest_events
WHERE text IS NOT NULL
    AND strpos(lower(text COLLATE "und-x-icu") COLLATE "C", lower(CAST($3 AS text) COLLATE "und-x-icu") COLLATE "C") > 0
GROUP BY text, value
ORDER BY events DESC, text, value
LIMIT 50

-- $1: 'plan'
-- $2: 'default'
-- $3: 'Pro'

WITH sampled_events AS (
    SELECT *
    FROM events
    WHERE site_id = {p1:String}
    ORDER BY timestamp DESC, toUInt128(event_id) DESC, site_id DESC
    LIMIT 100000
),
newest_events AS (
    SELECT path AS text, path AS value
    FROM sampled_events AS events
    WHERE name = {p2:String}
)
SELECT value, count(*) AS events
FROM newest_events
WHERE text IS NOT NULL
GROUP BY text, value
ORDER BY events DESC, text, value
LIMIT 50

-- $1: 'default'
-- $2: 'buy'

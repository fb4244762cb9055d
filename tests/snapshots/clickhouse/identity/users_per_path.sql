WITH scoped AS (
    SELECT
        path AS dim_0,
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
        AND sent_id = {p2:String}
)
SELECT
    dim_0,
    count(DISTINCT user_id) AS metric_0
FROM scoped
GROUP BY dim_0
ORDER BY metric_0 DESC NULLS LAST, dim_0 NULLS LAST
LIMIT 3

-- $1: 'default'
-- $2: 'a'

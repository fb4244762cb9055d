WITH scoped AS (
    SELECT
        path AS dim_0,
        user_id,
        count(*) AS events
    FROM (
        SELECT site_id, event_id, name, timestamp, received_at, session_id, source, path, properties, events.ctid, coalesce(person_id, user_id) AS user_id, user_id AS sent_id
        FROM events
        LEFT JOIN (
            SELECT user_id AS of_id, person_id
            FROM identities
            WHERE site_id = CAST($1 AS text)
        ) AS ids ON of_id = user_id
    ) AS events
    WHERE site_id = CAST($1 AS text)
        AND sent_id = CAST($2 AS text)
    GROUP BY dim_0, user_id
)
SELECT
    dim_0,
    count(user_id) AS metric_0
FROM scoped
GROUP BY dim_0
ORDER BY metric_0 DESC NULLS LAST, dim_0 NULLS LAST
LIMIT 3

-- $1: 'default'
-- $2: 'a'

WITH scoped AS (
    SELECT
        p3 AS dim_0,
        user_id
    FROM (
        SELECT site_id, event_id, name, timestamp, received_at, session_id, source, path, properties, events.rowid, p3, k3, coalesce(person_id, user_id) AS user_id, user_id AS sent_id
        FROM (
            SELECT *, rowid
            FROM events
            WHERE shredded >= 1
            UNION ALL
            SELECT * REPLACE (
                CASE left(CAST(json_extract(properties, $2) AS VARCHAR), 1) WHEN 'n' THEN NULL WHEN '"' THEN CASE WHEN contains(CAST(json_extract(properties, $2) AS VARCHAR), '\') THEN CAST(CAST(json_extract(properties, $2) AS VARCHAR) AS JSON)->>'$' ELSE substr(CAST(json_extract(properties, $2) AS VARCHAR), 2, length(CAST(json_extract(properties, $2) AS VARCHAR)) - 2) END ELSE CAST(json_extract(properties, $2) AS VARCHAR) END AS p3,
                CASE left(CAST(json_extract(properties, $2) AS VARCHAR), 1) WHEN '"' THEN 1 WHEN 't' THEN 3 WHEN 'f' THEN 3 WHEN '[' THEN 4 WHEN '{' THEN 4 WHEN 'n' THEN NULL ELSE CASE WHEN CAST(json_extract(properties, $2) AS VARCHAR) IS NOT NULL THEN 2 END END AS k3
            ), rowid
            FROM events
            WHERE shredded IS NULL OR shredded < 1
        ) AS events
        LEFT JOIN (
            SELECT user_id AS of_id, person_id
            FROM identities
            WHERE site_id = $1
        ) AS ids ON of_id = user_id
    ) AS events
    WHERE site_id = $1
)
SELECT
    dim_0,
    count(DISTINCT user_id) AS metric_0
FROM scoped
GROUP BY dim_0
ORDER BY dim_0 NULLS LAST
LIMIT 10001

-- $1: 'default'
-- $2: '/plan'

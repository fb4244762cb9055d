WITH scoped AS (
    SELECT
        name AS dim_0,
        user_id,
        session_id
    FROM events
    WHERE site_id = CAST($1 AS text)
)
SELECT
    dim_0,
    count(DISTINCT user_id) AS metric_0,
    count(DISTINCT session_id) AS metric_1,
    CAST(count(user_id) AS DOUBLE PRECISION) / nullif(count(DISTINCT user_id), 0) AS metric_2
FROM scoped
GROUP BY dim_0
ORDER BY dim_0 NULLS LAST
LIMIT 10001

-- $1: 'default'

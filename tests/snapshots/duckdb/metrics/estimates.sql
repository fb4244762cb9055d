WITH scoped AS (
    SELECT
        name AS dim_0,
        user_id,
        session_id
    FROM events
    WHERE site_id = $1
)
SELECT
    dim_0,
    approx_count_distinct(user_id) AS metric_0,
    approx_count_distinct(session_id) AS metric_1,
    CAST(count(user_id) AS DOUBLE PRECISION) / nullif(approx_count_distinct(user_id), 0) AS metric_2
FROM scoped
GROUP BY dim_0
ORDER BY dim_0 NULLS LAST
LIMIT 10001

-- $1: 'default'

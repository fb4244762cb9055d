WITH scoped AS (
    SELECT
        name AS dim_0,
        user_id
    FROM events
    WHERE site_id = {p1:String}
)
SELECT
    dim_0,
    CAST(count(user_id) AS DOUBLE PRECISION) / nullif(count(DISTINCT user_id), 0) AS metric_0
FROM scoped
GROUP BY dim_0
ORDER BY dim_0 NULLS LAST
LIMIT 10001

-- $1: 'default'

WITH scoped AS (
    SELECT
        name AS dim_0,
        user_id,
        count(*) AS events
    FROM events
    WHERE site_id = CAST($1 AS text)
    GROUP BY dim_0, user_id
)
SELECT
    dim_0,
    CAST(sum(events) FILTER (WHERE user_id IS NOT NULL) AS DOUBLE PRECISION) / nullif(count(user_id), 0) AS metric_0
FROM scoped
GROUP BY dim_0
ORDER BY dim_0 NULLS LAST
LIMIT 10001

-- $1: 'default'

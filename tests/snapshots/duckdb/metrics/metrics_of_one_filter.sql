WITH scoped AS (
    SELECT
        user_id
    FROM events
    WHERE site_id = $1
        AND name = $2
)
SELECT
    count(*) AS metric_0,
    count(DISTINCT user_id) AS metric_1
FROM scoped

-- $1: 'default'
-- $2: 'signup'

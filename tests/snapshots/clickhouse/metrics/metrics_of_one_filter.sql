WITH scoped AS (
    SELECT
        user_id
    FROM events
    WHERE site_id = {p1:String}
        AND name = {p2:String}
)
SELECT
    count(*) AS metric_0,
    count(DISTINCT user_id) AS metric_1
FROM scoped

-- $1: 'default'
-- $2: 'signup'

WITH scoped AS (
    SELECT
        1
    FROM events
    WHERE site_id = {p1:String}
)
SELECT
    count(*) AS metric_0
FROM scoped

-- $1: 'default'

WITH scoped AS (
    SELECT
        user_id
    FROM people
    WHERE site_id = $1
        AND bucket >= $2
        AND bucket < $3
)
SELECT
    count(DISTINCT user_id) AS metric_0
FROM scoped

-- $1: 'default'
-- $2: datetime.datetime(2025, 5, 1, 0, 0)
-- $3: datetime.datetime(2025, 6, 1, 0, 0)

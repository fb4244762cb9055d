WITH scoped AS (
    SELECT DISTINCT
        user_id
    FROM people_days
    WHERE site_id = CAST($1 AS text)
        AND day >= CAST($2 AS date)
        AND day < CAST($3 AS date)
)
SELECT
    count(user_id) AS metric_0
FROM scoped

-- $1: 'default'
-- $2: datetime.date(2025, 5, 1)
-- $3: datetime.date(2025, 6, 1)

WITH scoped AS (
    SELECT
        user_id,
        count(*) AS events
    FROM events
    WHERE site_id = CAST($1 AS text)
        AND name = CAST($2 AS text)
    GROUP BY user_id
)
SELECT
    coalesce(CAST(sum(events) AS BIGINT), 0) AS metric_0,
    count(user_id) AS metric_1
FROM scoped

-- $1: 'default'
-- $2: 'signup'

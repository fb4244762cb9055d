WITH scoped AS (
    SELECT
        events,
        last_received
    FROM rollup
    WHERE site_id = CAST($1 AS text)
)
SELECT
    coalesce(CAST(sum(events) AS BIGINT), 0) AS metric_0
FROM scoped

-- $1: 'default'

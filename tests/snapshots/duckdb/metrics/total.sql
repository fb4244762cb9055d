WITH scoped AS (
    SELECT
        events,
        last_received
    FROM rollup
    WHERE site_id = $1
)
SELECT
    coalesce(CAST(sum(events) AS BIGINT), 0) AS metric_0
FROM scoped

-- $1: 'default'

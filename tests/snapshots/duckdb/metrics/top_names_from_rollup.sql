WITH scoped AS (
    SELECT
        name AS dim_0,
        events,
        last_received
    FROM rollup
    WHERE site_id = $1
        AND bucket >= $2
        AND bucket < $3
)
SELECT
    dim_0,
    coalesce(CAST(sum(events) AS BIGINT), 0) AS metric_0
FROM scoped
GROUP BY dim_0
HAVING sum(events) <> 0
ORDER BY metric_0 DESC NULLS LAST, dim_0 NULLS LAST
LIMIT 10

-- $1: 'default'
-- $2: datetime.datetime(2025, 5, 1, 0, 0)
-- $3: datetime.datetime(2025, 6, 1, 0, 0)

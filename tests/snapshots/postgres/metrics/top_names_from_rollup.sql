WITH scoped AS (
    SELECT
        name AS dim_0,
        events,
        last_received
    FROM rollup
    WHERE site_id = CAST($1 AS text)
        AND bucket >= CAST($2 AS timestamptz)
        AND bucket < CAST($3 AS timestamptz)
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
-- $2: datetime.datetime(2025, 5, 1, 0, 0, tzinfo=datetime.timezone.utc)
-- $3: datetime.datetime(2025, 6, 1, 0, 0, tzinfo=datetime.timezone.utc)

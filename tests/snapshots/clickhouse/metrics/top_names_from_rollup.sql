WITH scoped AS (
    SELECT
        name AS dim_0
    FROM events
    WHERE site_id = {p1:String}
        AND timestamp >= {p2:DateTime64(6, 'UTC')}
        AND timestamp < {p3:DateTime64(6, 'UTC')}
)
SELECT
    dim_0,
    count(*) AS metric_0
FROM scoped
GROUP BY dim_0
ORDER BY metric_0 DESC NULLS LAST, dim_0 NULLS LAST
LIMIT 10

-- $1: 'default'
-- $2: datetime.datetime(2025, 5, 1, 0, 0, tzinfo=datetime.timezone.utc)
-- $3: datetime.datetime(2025, 6, 1, 0, 0, tzinfo=datetime.timezone.utc)

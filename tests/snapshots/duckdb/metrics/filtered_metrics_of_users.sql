WITH scoped AS (
    SELECT
        (epoch_us(timestamp)) // 86400000000 * 86400000000 AS bucket_key,
        path AS dim_0,
        user_id,
        (json_extract_string(properties, $1) = $2 AND left(CAST(json_extract(properties, $1) AS VARCHAR), 1) = '"') AS passes_0,
        (json_extract_string(properties, $1) = $2 AND left(CAST(json_extract(properties, $1) AS VARCHAR), 1) = '"') AS passes_1,
        name = $3 AS passes_2
    FROM events
    WHERE site_id = $4
        AND timestamp >= $5
        AND timestamp < $6
        AND ((json_extract_string(properties, $1) = $2 AND left(CAST(json_extract(properties, $1) AS VARCHAR), 1) = '"') OR name = $3)
),
ranked AS (
    SELECT dim_0, row_number() OVER (ORDER BY metric_0 DESC NULLS LAST, dim_0 NULLS LAST) AS rank
    FROM (
        SELECT dim_0, count(DISTINCT CASE WHEN passes_0 THEN user_id END) AS metric_0
        FROM scoped
        GROUP BY dim_0
    ) AS ranking
    ORDER BY rank
    LIMIT 3
)
SELECT
    bucket_key AS bucket,
    ranked.dim_0,
    count(DISTINCT CASE WHEN passes_0 THEN user_id END) AS metric_0,
    CAST(count(CASE WHEN passes_1 THEN user_id END) AS DOUBLE PRECISION) / nullif(count(DISTINCT CASE WHEN passes_1 THEN user_id END), 0) AS metric_1,
    count(CASE WHEN passes_2 THEN 1 END) AS metric_2
FROM scoped
JOIN ranked ON scoped.dim_0 IS NOT DISTINCT FROM ranked.dim_0
GROUP BY bucket_key, rank, ranked.dim_0
ORDER BY bucket_key, rank NULLS LAST
LIMIT 10001

-- $1: '/plan'
-- $2: 'pro'
-- $3: 'page_view'
-- $4: 'default'
-- $5: datetime.datetime(2025, 5, 1, 0, 0)
-- $6: datetime.datetime(2025, 6, 1, 0, 0)

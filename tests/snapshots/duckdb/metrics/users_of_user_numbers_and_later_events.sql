WITH new_users AS MATERIALIZED (
    SELECT
        seen.user_id AS of_id,
        CAST(coalesce(
            number, (SELECT coalesce(max(number), 0) FROM user_numbers) + row_number() OVER ()
        ) AS UINTEGER) AS of_number
    FROM (SELECT DISTINCT user_id FROM events WHERE rowid >= 1000 AND user_id IS NOT NULL) AS seen
    LEFT JOIN user_numbers ON user_numbers.user_id = seen.user_id
),
scoped AS (
    SELECT
        (epoch_us(timestamp)) // 86400000000 * 86400000000 AS bucket_key,
        path AS dim_0,
        user_id,
        (p0 = $1 AND k0 = 1) AS passes_0,
        (p0 = $1 AND k0 = 1) AS passes_1,
        name = $2 AS passes_2
    FROM (
        FROM (
            SELECT *
            FROM (SELECT * REPLACE (user_number AS user_id), user_id AS sent_id, rowid FROM events WHERE rowid < 1000) AS events
            WHERE shredded >= 1
            UNION ALL
            SELECT * REPLACE (
                CASE left(CAST(json_extract(properties, $6) AS VARCHAR), 1) WHEN 'n' THEN NULL WHEN '"' THEN CASE WHEN contains(CAST(json_extract(properties, $6) AS VARCHAR), '\') THEN CAST(CAST(json_extract(properties, $6) AS VARCHAR) AS JSON)->>'$' ELSE substr(CAST(json_extract(properties, $6) AS VARCHAR), 2, length(CAST(json_extract(properties, $6) AS VARCHAR)) - 2) END ELSE CAST(json_extract(properties, $6) AS VARCHAR) END AS p0,
                CASE left(CAST(json_extract(properties, $6) AS VARCHAR), 1) WHEN '"' THEN 1 WHEN 't' THEN 3 WHEN 'f' THEN 3 WHEN '[' THEN 4 WHEN '{' THEN 4 WHEN 'n' THEN NULL ELSE CASE WHEN CAST(json_extract(properties, $6) AS VARCHAR) IS NOT NULL THEN 2 END END AS k0
            )
            FROM (SELECT * REPLACE (user_number AS user_id), user_id AS sent_id, rowid FROM events WHERE rowid < 1000) AS events
            WHERE shredded IS NULL OR shredded < 1
        ) AS events
        UNION ALL
        FROM (
            SELECT *
            FROM (SELECT events.* REPLACE (of_number AS user_id), events.user_id AS sent_id, events.rowid
            FROM events LEFT JOIN new_users ON of_id = events.user_id
            WHERE events.rowid >= 1000) AS events
            WHERE shredded >= 1
            UNION ALL
            SELECT * REPLACE (
                CASE left(CAST(json_extract(properties, $6) AS VARCHAR), 1) WHEN 'n' THEN NULL WHEN '"' THEN CASE WHEN contains(CAST(json_extract(properties, $6) AS VARCHAR), '\') THEN CAST(CAST(json_extract(properties, $6) AS VARCHAR) AS JSON)->>'$' ELSE substr(CAST(json_extract(properties, $6) AS VARCHAR), 2, length(CAST(json_extract(properties, $6) AS VARCHAR)) - 2) END ELSE CAST(json_extract(properties, $6) AS VARCHAR) END AS p0,
                CASE left(CAST(json_extract(properties, $6) AS VARCHAR), 1) WHEN '"' THEN 1 WHEN 't' THEN 3 WHEN 'f' THEN 3 WHEN '[' THEN 4 WHEN '{' THEN 4 WHEN 'n' THEN NULL ELSE CASE WHEN CAST(json_extract(properties, $6) AS VARCHAR) IS NOT NULL THEN 2 END END AS k0
            )
            FROM (SELECT events.* REPLACE (of_number AS user_id), events.user_id AS sent_id, events.rowid
            FROM events LEFT JOIN new_users ON of_id = events.user_id
            WHERE events.rowid >= 1000) AS events
            WHERE shredded IS NULL OR shredded < 1
        ) AS events
    ) AS events
    WHERE site_id = $3
        AND timestamp >= $4
        AND timestamp < $5
        AND ((p0 = $1 AND k0 = 1) OR name = $2)
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

-- $1: 'pro'
-- $2: 'page_view'
-- $3: 'default'
-- $4: datetime.datetime(2025, 5, 1, 0, 0)
-- $5: datetime.datetime(2025, 6, 1, 0, 0)
-- $6: '/plan'

WITH indexed_sessions AS NOT MATERIALIZED (
    SELECT * FROM session_parts
),
long_sessions AS MATERIALIZED (
    SELECT site_id, session_id
    FROM indexed_sessions
    WHERE site_id = $5
        AND ((started < $1 AND ended >= $2) OR (started < $3 AND ended >= $4))
),
events_with_session_id AS NOT MATERIALIZED (
    SELECT
        session_id,
        timestamp,
        CASE WHEN name IN ($6, $7, $8) THEN 1 ELSE 0 END AS page
    FROM events
    WHERE site_id = $5
        AND timestamp >= $1
        AND timestamp < $4
        AND session_id IS NOT NULL
        AND (session_id) IN (SELECT session_id FROM long_sessions)
),
sessions_with_id AS NOT MATERIALIZED (
    SELECT
        min(timestamp) AS started,
        epoch_us(max(timestamp)) - epoch_us(min(timestamp)) AS duration,
        count(*) AS events,
        count(*) FILTER (WHERE page = 1) AS pages
    FROM events_with_session_id
    GROUP BY session_id
    HAVING min(timestamp) >= $2
        AND min(timestamp) < $3
),
events_without_session_id AS NOT MATERIALIZED (
    SELECT
        user_id,
        timestamp,
        CASE WHEN name IN ($6, $7, $8) THEN 1 ELSE 0 END AS page,
        CASE
            WHEN timestamp <= lag(timestamp) OVER events_of_user + INTERVAL '30 minutes' THEN 0
            ELSE 1
        END AS starts_visit
    FROM events
    WHERE site_id = $5
        AND timestamp >= $1
        AND timestamp < $4
        AND session_id IS NULL
        AND user_id IS NOT NULL
    WINDOW events_of_user AS (PARTITION BY user_id ORDER BY timestamp)
),
events_of_visits AS NOT MATERIALIZED (
    SELECT *, sum(starts_visit) OVER (PARTITION BY user_id ORDER BY timestamp) AS visit
    FROM events_without_session_id
),
visits AS NOT MATERIALIZED (
    SELECT
        min(timestamp) AS started,
        epoch_us(max(timestamp)) - epoch_us(min(timestamp)) AS duration,
        count(*) AS events,
        count(*) FILTER (WHERE page = 1) AS pages
    FROM events_of_visits
    GROUP BY user_id, visit
    HAVING min(timestamp) >= $2
        AND min(timestamp) < $3
),
sessions AS (
    SELECT
        (epoch_us(started) + 7200000000) // 86400000000 * 86400000000 AS bucket_key,
        epoch_us(ended) - epoch_us(started) AS duration,
        events,
        pages
    FROM indexed_sessions
    WHERE site_id = $5
        AND started >= $2
        AND started < $3
        AND ended < $4
    UNION ALL
    SELECT
        (epoch_us(started) + 7200000000) // 86400000000 * 86400000000 AS bucket_key,
        duration,
        events,
        pages
    FROM (
        SELECT * FROM sessions_with_id
        UNION ALL
        SELECT * FROM visits
    ) AS computed_sessions
)
SELECT
    bucket_key AS bucket,
    count(*) AS metric_0,
    CAST(count(*) FILTER (WHERE pages = 1) AS DOUBLE PRECISION) / nullif(count(*), 0) AS metric_1,
    quantile_cont(CAST(duration AS DOUBLE PRECISION), 0.5) / 1000000 AS metric_2,
    CAST(sum(pages) AS DOUBLE PRECISION) / nullif(count(*), 0) AS metric_3
FROM sessions
GROUP BY bucket_key
ORDER BY bucket_key
LIMIT 20001

-- $1: datetime.datetime(2025, 4, 30, 0, 0)
-- $2: datetime.datetime(2025, 5, 1, 0, 0)
-- $3: datetime.datetime(2025, 6, 1, 0, 0)
-- $4: datetime.datetime(2025, 6, 2, 0, 0)
-- $5: 'default'
-- $6: 'page_view'
-- $7: '$pageview'
-- $8: 'pageview'

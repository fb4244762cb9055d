WITH events_with_session_id AS NOT MATERIALIZED (
    SELECT
        session_id,
        timestamp,
        CASE WHEN name IN (CAST($1 AS text), CAST($2 AS text), CAST($3 AS text)) THEN 1 ELSE 0 END AS page,
        event_id,
        path AS text_0
    FROM events
    WHERE site_id = CAST($6 AS text)
        AND timestamp >= CAST($7 AS timestamptz)
        AND timestamp < CAST($8 AS timestamptz)
        AND session_id IS NOT NULL
),
sessions_with_id AS NOT MATERIALIZED (
    SELECT
        min(timestamp) AS started,
        CAST(extract(epoch FROM max(timestamp)) * 1000000 AS bigint) - CAST(extract(epoch FROM min(timestamp)) * 1000000 AS bigint) AS duration,
        count(*) AS events,
        count(*) FILTER (WHERE page = 1) AS pages,
        (array_agg(ARRAY[text_0] ORDER BY page DESC, timestamp, event_id))[1:1] AS entry_event
    FROM events_with_session_id
    GROUP BY session_id
    HAVING min(timestamp) >= CAST($4 AS timestamptz)
        AND min(timestamp) < CAST($5 AS timestamptz)
),
events_without_session_id AS NOT MATERIALIZED (
    SELECT
        user_id,
        timestamp,
        CASE WHEN name IN (CAST($1 AS text), CAST($2 AS text), CAST($3 AS text)) THEN 1 ELSE 0 END AS page,
        event_id,
        path AS text_0,
        CASE
            WHEN timestamp <= lag(timestamp) OVER events_of_user + INTERVAL '30 minutes' THEN 0
            ELSE 1
        END AS starts_visit
    FROM events
    WHERE site_id = CAST($6 AS text)
        AND timestamp >= CAST($7 AS timestamptz)
        AND timestamp < CAST($8 AS timestamptz)
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
        CAST(extract(epoch FROM max(timestamp)) * 1000000 AS bigint) - CAST(extract(epoch FROM min(timestamp)) * 1000000 AS bigint) AS duration,
        count(*) AS events,
        count(*) FILTER (WHERE page = 1) AS pages,
        (array_agg(ARRAY[text_0] ORDER BY page DESC, timestamp, event_id))[1:1] AS entry_event
    FROM events_of_visits
    GROUP BY user_id, visit
    HAVING min(timestamp) >= CAST($4 AS timestamptz)
        AND min(timestamp) < CAST($5 AS timestamptz)
),
sessions AS (
    SELECT
        duration,
        events,
        pages,
        entry_event[1][1] AS dim_0
    FROM (
        SELECT * FROM sessions_with_id
        UNION ALL
        SELECT * FROM visits
    ) AS computed_sessions
),
top_groups AS (
    SELECT dim_0, rank
    FROM (VALUES (CAST($9 AS text), 1), (CAST(NULL AS VARCHAR), 2)) AS given_groups(dim_0, rank)
)
SELECT
    top_groups.dim_0,
    count(*) AS metric_0,
    CAST(count(*) FILTER (WHERE pages = 1) AS DOUBLE PRECISION) / nullif(count(*), 0) AS metric_1,
    percentile_cont(0.5) WITHIN GROUP (ORDER BY CAST(duration AS DOUBLE PRECISION)) / 1000000 AS metric_2,
    CAST(sum(pages) AS DOUBLE PRECISION) / nullif(count(*), 0) AS metric_3
FROM sessions JOIN top_groups ON coalesce(sessions.dim_0, '') = coalesce(top_groups.dim_0, '') AND (sessions.dim_0 IS NULL) = (top_groups.dim_0 IS NULL)
GROUP BY rank, top_groups.dim_0
ORDER BY rank NULLS LAST
LIMIT 100001

-- $1: 'page_view'
-- $2: '$pageview'
-- $3: 'pageview'
-- $4: datetime.datetime(2025, 5, 1, 0, 0, tzinfo=datetime.timezone.utc)
-- $5: datetime.datetime(2025, 6, 1, 0, 0, tzinfo=datetime.timezone.utc)
-- $6: 'default'
-- $7: datetime.datetime(2025, 4, 30, 0, 0, tzinfo=datetime.timezone.utc)
-- $8: datetime.datetime(2025, 6, 2, 0, 0, tzinfo=datetime.timezone.utc)
-- $9: '/a'

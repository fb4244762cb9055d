WITH events_with_session_id AS NOT MATERIALIZED (
    SELECT
        session_id,
        timestamp,
        CASE WHEN name IN (CAST($1 AS text), CAST($2 AS text), CAST($3 AS text)) THEN 1 ELSE 0 END AS page
    FROM (
        SELECT site_id, event_id, name, timestamp, received_at, session_id, source, path, properties, user_id, user_id AS sent_id
        FROM events
    ) AS events
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
        count(*) FILTER (WHERE page = 1) AS pages
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
        CASE
            WHEN timestamp <= lag(timestamp) OVER events_of_user + INTERVAL '30 minutes' THEN 0
            ELSE 1
        END AS starts_visit
    FROM (
        SELECT site_id, event_id, name, timestamp, received_at, session_id, source, path, properties, coalesce(person_id, user_id) AS user_id, user_id AS sent_id
        FROM events
        LEFT JOIN (
            SELECT user_id AS of_id, person_id
            FROM identities
            WHERE site_id = CAST($6 AS text)
        ) AS ids ON of_id = user_id
    ) AS events
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
        count(*) FILTER (WHERE page = 1) AS pages
    FROM events_of_visits
    GROUP BY user_id, visit
    HAVING min(timestamp) >= CAST($4 AS timestamptz)
        AND min(timestamp) < CAST($5 AS timestamptz)
),
sessions AS (
    SELECT
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
    count(*) AS metric_0,
    CAST(count(*) FILTER (WHERE pages = 1) AS DOUBLE PRECISION) / nullif(count(*), 0) AS metric_1,
    percentile_cont(0.5) WITHIN GROUP (ORDER BY CAST(duration AS DOUBLE PRECISION)) / 1000000 AS metric_2,
    CAST(sum(pages) AS DOUBLE PRECISION) / nullif(count(*), 0) AS metric_3
FROM sessions

-- $1: 'page_view'
-- $2: '$pageview'
-- $3: 'pageview'
-- $4: datetime.datetime(2025, 5, 1, 0, 0, tzinfo=datetime.timezone.utc)
-- $5: datetime.datetime(2025, 6, 1, 0, 0, tzinfo=datetime.timezone.utc)
-- $6: 'default'
-- $7: datetime.datetime(2025, 4, 30, 0, 0, tzinfo=datetime.timezone.utc)
-- $8: datetime.datetime(2025, 6, 2, 0, 0, tzinfo=datetime.timezone.utc)

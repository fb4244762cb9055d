WITH loose_events AS (
    SELECT
        user_id,
        timestamp,
        received_at,
        ctid,
        name IN (CAST($1 AS text), CAST($2 AS text), CAST($3 AS text)) AS is_leave
    FROM events
    WHERE site_id = CAST($4 AS text)
        AND timestamp >= CAST($5 AS timestamptz)
        AND timestamp < CAST($6 AS timestamptz)
        AND session_id IS NULL
        AND user_id IS NOT NULL
),
events_of_loose_users AS (
    SELECT
        user_id,
        timestamp,
        received_at,
        ctid,
        NULL AS session_id,
        is_leave
    FROM loose_events
    UNION ALL
    SELECT
        user_id,
        timestamp,
        received_at,
        ctid,
        session_id,
        FALSE
    FROM events
    WHERE site_id = CAST($4 AS text)
        AND timestamp >= CAST($5 AS timestamptz)
        AND timestamp < CAST($6 AS timestamptz)
        AND session_id IS NOT NULL
        AND (user_id) IN (SELECT user_id FROM loose_events)
),
starts_of_stretches AS NOT MATERIALIZED (
    SELECT
        *,
        count(session_id) OVER (events_of_user ROWS UNBOUNDED PRECEDING) AS place,
        CASE
            WHEN timestamp <= lag(timestamp) OVER events_of_user
                + CASE WHEN is_leave THEN INTERVAL '1440 minutes' ELSE INTERVAL '30 minutes' END
            THEN 0
            ELSE 1
        END AS starts_visit
    FROM events_of_loose_users
    WINDOW events_of_user AS (PARTITION BY user_id ORDER BY timestamp, received_at, ctid)
),
stretches AS MATERIALIZED (
    SELECT
        *,
        sum(starts_visit) OVER (PARTITION BY user_id ORDER BY timestamp, received_at, ctid ROWS UNBOUNDED PRECEDING) AS visit
    FROM starts_of_stretches
),
session_places AS NOT MATERIALIZED (
    SELECT user_id, place, visit, session_id
    FROM stretches
    WHERE session_id IS NOT NULL
),
attributed_events AS MATERIALIZED (
    SELECT
        stretches.user_id,
        stretches.timestamp,
        stretches.received_at,
        stretches.ctid,
        stretches.visit,
        CASE
            WHEN earlier.visit = stretches.visit THEN earlier.session_id
            WHEN later.visit = stretches.visit THEN later.session_id
            WHEN earlier.session_id = later.session_id THEN earlier.session_id
        END AS session_id
    FROM stretches
    LEFT JOIN session_places AS earlier ON earlier.user_id = stretches.user_id AND earlier.place = stretches.place
    LEFT JOIN session_places AS later ON later.user_id = stretches.user_id AND later.place = stretches.place + 1
    WHERE stretches.session_id IS NULL
),
visits_of_loose_events AS NOT MATERIALIZED (
    SELECT
        timestamp AS of_timestamp,
        ctid AS of_ctid,
        coalesce(session_id, chr(31) || CAST(user_id AS text) || chr(31) || visit) AS loose_visit
    FROM attributed_events
),
scoped AS (
    SELECT
        CASE WHEN timestamp < TIMESTAMPTZ '2025-04-05 15:00:00+00' THEN date_bin('3600 seconds', timestamp, TIMESTAMPTZ '1970-01-01 00:00:00+00') ELSE greatest(TIMESTAMPTZ '2025-04-05 15:00:00+00', date_bin('3600 seconds', timestamp, TIMESTAMPTZ '1969-12-31 23:30:00+00')) END AS bucket_key,
        coalesce(loose_visit, session_id) AS visit,
        count(*) AS events
    FROM events
    LEFT JOIN visits_of_loose_events ON of_timestamp = events.timestamp AND of_ctid = events.ctid
    WHERE site_id = CAST($4 AS text)
        AND timestamp >= CAST($7 AS timestamptz)
        AND timestamp < CAST($8 AS timestamptz)
    GROUP BY bucket_key, visit
)
SELECT
    CAST(extract(epoch FROM bucket_key) * 1000000 AS bigint) AS bucket,
    count(visit) AS metric_0
FROM scoped
GROUP BY bucket_key
ORDER BY bucket_key NULLS LAST
LIMIT 20001

-- $1: 'page_leave'
-- $2: '$pageleave'
-- $3: 'pageleave'
-- $4: 'default'
-- $5: datetime.datetime(2025, 4, 4, 0, 0, tzinfo=datetime.timezone.utc)
-- $6: datetime.datetime(2025, 4, 8, 0, 0, tzinfo=datetime.timezone.utc)
-- $7: datetime.datetime(2025, 4, 5, 0, 0, tzinfo=datetime.timezone.utc)
-- $8: datetime.datetime(2025, 4, 7, 0, 0, tzinfo=datetime.timezone.utc)

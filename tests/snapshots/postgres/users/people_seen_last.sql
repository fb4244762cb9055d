WITH newest_users AS (
    WITH RECURSIVE rows_of_people AS NOT MATERIALIZED (
        SELECT bucket, user_id
        FROM people
        WHERE site_id = CAST($1 AS text)
            AND bucket >= CAST($2 AS timestamptz)
            AND bucket < CAST($3 AS timestamptz)
            AND strpos(lower(user_id COLLATE "und-x-icu") COLLATE "C", lower(CAST($4 AS text) COLLATE "und-x-icu") COLLATE "C") > 0
    ), newest AS (
        SELECT max(bucket) AS bucket, CAST('{}' AS text[]) COLLATE "C" AS users
        FROM rows_of_people
        UNION ALL
        SELECT
            (SELECT max(earlier.bucket) FROM rows_of_people AS earlier WHERE earlier.bucket < newest.bucket),
            ARRAY(SELECT unnest(users) UNION SELECT user_id FROM rows_of_people AS same WHERE same.bucket = newest.bucket)
        FROM newest
        WHERE newest.bucket IS NOT NULL AND cardinality(users) <= 100
    )
    SELECT users
    FROM newest
    ORDER BY cardinality(users) DESC
    LIMIT 1
),
page AS MATERIALIZED (
    SELECT
        user_id,
        max(timestamp) AS last_seen,
        min(timestamp) AS first_seen,
        count(*) AS events
    FROM events
    WHERE site_id = CAST($1 AS text)
        AND timestamp >= CAST($2 AS timestamptz)
        AND timestamp < CAST($3 AS timestamptz)
        AND user_id IS NOT NULL
        AND strpos(lower(user_id COLLATE "und-x-icu") COLLATE "C", lower(CAST($4 AS text) COLLATE "und-x-icu") COLLATE "C") > 0
        AND user_id = ANY (ARRAY(SELECT unnest(users) FROM newest_users))
    GROUP BY user_id
    ORDER BY last_seen DESC, user_id DESC
    LIMIT 101
),
loose_events AS (
    SELECT
        user_id,
        timestamp,
        received_at,
        ctid,
        name IN (CAST($5 AS text), CAST($6 AS text), CAST($7 AS text)) AS is_leave
    FROM events
    WHERE site_id = CAST($1 AS text)
        AND timestamp >= CAST($8 AS timestamptz)
        AND timestamp < CAST($9 AS timestamptz)
        AND session_id IS NULL
        AND user_id IS NOT NULL
        AND user_id IN (SELECT user_id FROM page)
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
    WHERE site_id = CAST($1 AS text)
        AND timestamp >= CAST($8 AS timestamptz)
        AND timestamp < CAST($9 AS timestamptz)
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
sessions_of_users AS (
    SELECT user_id, count(DISTINCT coalesce(loose_visit, session_id)) AS sessions
    FROM events
    LEFT JOIN visits_of_loose_events ON of_timestamp = events.timestamp AND of_ctid = events.ctid
    WHERE site_id = CAST($1 AS text)
        AND timestamp >= CAST($2 AS timestamptz)
        AND timestamp < CAST($3 AS timestamptz)
        AND user_id IS NOT NULL
        AND strpos(lower(user_id COLLATE "und-x-icu") COLLATE "C", lower(CAST($4 AS text) COLLATE "und-x-icu") COLLATE "C") > 0
        AND user_id IN (SELECT user_id FROM page)
    GROUP BY user_id
)
SELECT page.user_id, CAST(extract(epoch FROM first_seen) * 1000000 AS bigint), CAST(extract(epoch FROM last_seen) * 1000000 AS bigint), events, sessions
FROM page JOIN sessions_of_users ON sessions_of_users.user_id = page.user_id
ORDER BY page.last_seen DESC, page.user_id DESC

-- $1: 'default'
-- $2: datetime.datetime(2025, 5, 1, 0, 0, tzinfo=datetime.timezone.utc)
-- $3: datetime.datetime(2025, 6, 1, 0, 0, tzinfo=datetime.timezone.utc)
-- $4: 'An'
-- $5: 'page_leave'
-- $6: '$pageleave'
-- $7: 'pageleave'
-- $8: datetime.datetime(2025, 4, 30, 0, 0, tzinfo=datetime.timezone.utc)
-- $9: datetime.datetime(2025, 6, 2, 0, 0, tzinfo=datetime.timezone.utc)

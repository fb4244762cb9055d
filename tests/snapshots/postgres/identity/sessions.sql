WITH sessions AS (
  SELECT lasted, events, pages
  FROM (
  SELECT min(timestamp) AS started, CAST(extract(epoch FROM max(timestamp)) * 1000000 AS bigint) - CAST(extract(epoch FROM min(timestamp)) * 1000000 AS bigint) AS lasted, count(*) AS events, count(*) FILTER (WHERE page = 1) AS pages
  FROM (
    SELECT session_id, timestamp, CASE WHEN name IN (CAST($1 AS text), CAST($2 AS text), CAST($3 AS text)) THEN 1 ELSE 0 END AS page
    FROM (
    SELECT site_id, event_id, name, timestamp, received_at, session_id, source, path, properties, user_id, user_id AS sent_id
    FROM events
) AS events WHERE site_id = CAST($6 AS text) AND timestamp >= CAST($7 AS timestamptz) AND timestamp < CAST($8 AS timestamptz) AND session_id IS NOT NULL
  ) AS visited
  GROUP BY session_id
  HAVING min(timestamp) >= CAST($4 AS timestamptz) AND min(timestamp) < CAST($5 AS timestamptz)
  UNION ALL
  SELECT min(timestamp) AS started, CAST(extract(epoch FROM max(timestamp)) * 1000000 AS bigint) - CAST(extract(epoch FROM min(timestamp)) * 1000000 AS bigint) AS lasted, count(*) AS events, count(*) FILTER (WHERE page = 1) AS pages
  FROM (
    SELECT *, sum(fresh) OVER (PARTITION BY user_id ORDER BY timestamp) AS visit
    FROM (
      SELECT user_id, timestamp, CASE WHEN name IN (CAST($1 AS text), CAST($2 AS text), CAST($3 AS text)) THEN 1 ELSE 0 END AS page, CASE WHEN timestamp <= lag(timestamp) OVER (PARTITION BY user_id ORDER BY timestamp) + INTERVAL '30 minutes' THEN 0 ELSE 1 END AS fresh
      FROM (
    SELECT site_id, event_id, name, timestamp, received_at, session_id, source, path, properties, coalesce(person_id, user_id) AS user_id, user_id AS sent_id
    FROM events
    LEFT JOIN (
        SELECT user_id AS of_id, person_id
        FROM identities
        WHERE site_id = CAST($6 AS text)
    ) AS ids ON of_id = user_id
) AS events WHERE site_id = CAST($6 AS text) AND timestamp >= CAST($7 AS timestamptz) AND timestamp < CAST($8 AS timestamptz) AND session_id IS NULL AND user_id IS NOT NULL
    ) AS paused
  ) AS visited
  GROUP BY user_id, visit
  HAVING min(timestamp) >= CAST($4 AS timestamptz) AND min(timestamp) < CAST($5 AS timestamptz)
  ) AS made
)
SELECT count(*) AS m0, CAST(count(*) FILTER (WHERE pages = 1) AS DOUBLE PRECISION) / nullif(count(*), 0) AS m1, percentile_cont(0.5) WITHIN GROUP (ORDER BY CAST(lasted AS DOUBLE PRECISION)) / 1000000 AS m2, CAST(sum(pages) AS DOUBLE PRECISION) / nullif(count(*), 0) AS m3
FROM sessions

-- $1: 'page_view'
-- $2: '$pageview'
-- $3: 'pageview'
-- $4: datetime.datetime(2025, 5, 1, 0, 0, tzinfo=datetime.timezone.utc)
-- $5: datetime.datetime(2025, 6, 1, 0, 0, tzinfo=datetime.timezone.utc)
-- $6: 'default'
-- $7: datetime.datetime(2025, 4, 30, 0, 0, tzinfo=datetime.timezone.utc)
-- $8: datetime.datetime(2025, 6, 2, 0, 0, tzinfo=datetime.timezone.utc)

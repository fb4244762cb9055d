WITH RECURSIVE sites AS (
  SELECT min(site_id) AS site FROM rollup
  UNION ALL
  SELECT (SELECT min(site_id) FROM rollup WHERE site_id > site) FROM sites WHERE site IS NOT NULL
)
SELECT CAST(event_id AS text), site_id, name, CAST(extract(epoch FROM timestamp) * 1000000 AS bigint), CAST(extract(epoch FROM received_at) * 1000000 AS bigint), user_id, session_id, source, path, properties
FROM sites CROSS JOIN LATERAL (
    SELECT *
    FROM events
    WHERE site_id = site
    ORDER BY timestamp DESC, event_id DESC, site_id DESC
    LIMIT 101
) AS events
ORDER BY timestamp DESC, event_id DESC, site_id DESC
LIMIT 101


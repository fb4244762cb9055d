-- `tallystick recover store` rebuilds derived tables from the events that it could read.

-- name: days
SELECT DISTINCT epoch_us(date_trunc('day', timestamp)) FROM events ORDER BY 1;

-- name: rollup
INSERT INTO rollup
SELECT site_id, time_bucket(INTERVAL 15 MINUTES, timestamp), name, source, count(*), max(received_at), is_bot(properties)
FROM events
WHERE timestamp >= make_timestamp($day) AND timestamp < make_timestamp($day) + INTERVAL 1 DAY GROUP BY ALL;

-- name: people
INSERT INTO people
SELECT site_id, time_bucket(INTERVAL 15 MINUTES, timestamp), user_id, bool_and(is_bot(properties)) FROM events
WHERE user_id IS NOT NULL AND timestamp >= make_timestamp($day)
  AND timestamp < make_timestamp($day) + INTERVAL 1 DAY
GROUP BY ALL;

-- name: bot_sites
INSERT INTO bot_sites
SELECT DISTINCT site_id FROM events
WHERE contains(properties, '"$bot"') OR (contains(properties, '\u') AND json_extract(properties, '/$bot') = 'true');

-- name: forget_lost_links
-- Delete joined ids whose event could not be read and was not purged.
DELETE FROM identities i
WHERE linked_at >= coalesce((SELECT before FROM purged_sites WHERE purged_sites.site_id = i.site_id), '0001-01-01')
  AND NOT EXISTS (
    SELECT 1 FROM events e
    WHERE e.name IN ('identify', '$identify', 'alias', '$create_alias') AND e.timestamp = i.linked_at
      AND e.event_id = i.event_id AND e.site_id = i.site_id);

-- name: find_links
-- Insert ids that an event joins and that are missing in the table.
INSERT INTO identities
SELECT DISTINCT ON (site_id, joined) site_id, joined, user_id, timestamp, event_id, user_id
FROM (
    SELECT site_id, link_id(name, user_id, properties) AS joined, user_id, timestamp, event_id FROM events
    WHERE name IN ('identify', '$identify', 'alias', '$create_alias')
) AS links
WHERE joined IS NOT NULL
  AND NOT EXISTS (SELECT 1 FROM identities i WHERE i.site_id = links.site_id AND i.user_id = links.joined)
  AND NOT EXISTS (
      SELECT 1 FROM splits s
      WHERE s.site_id = links.site_id AND s.user_id = links.joined AND links.timestamp <= s.split_at)
ORDER BY site_id, joined, timestamp, event_id;

-- name: find_persons
UPDATE identities SET person_id = p.person_id FROM identity_persons p
WHERE p.site_id = identities.site_id AND p.user_id = identities.user_id;

-- name: letter_ids
-- Advance the sequence of dead letters past those that were kept.
SELECT max(nextval('dead_letter_ids')) FROM range((SELECT coalesce(max(id), 0) FROM dead_letters));

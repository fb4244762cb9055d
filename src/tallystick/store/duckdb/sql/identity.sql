-- The ids and the persons that they resolve to. A batch's links change them in the transaction that stores its events.

-- name: new_links
-- Select each id's earliest link in the batch if it is earlier than the stored one, with the stored rows of both ids.
-- `near` hashes the batch's few ids instead of all stored ones. Splits are few, and a map needs no memory for a join.
WITH found AS (
    SELECT site_id, link_id(name, user_id, properties) AS user_id, user_id AS linked_to,
           timestamp AS linked_at, event_id
    FROM incoming WHERE name IN ('identify', '$identify', 'alias', '$create_alias')
), split_times AS MATERIALIZED (
    SELECT map_from_entries(list((site_id || chr(31) || user_id, split_at))) AS of_id FROM splits
), links AS MATERIALIZED (
    SELECT DISTINCT ON (site_id, user_id) * FROM found
    WHERE user_id IS NOT NULL
      AND linked_at > coalesce(map_extract_value((SELECT of_id FROM split_times), site_id || chr(31) || user_id),
                               TIMESTAMP '-infinity')
    ORDER BY site_id, user_id, linked_at, event_id
), near AS MATERIALIZED (
    SELECT * FROM identities WHERE user_id IN (SELECT user_id FROM links UNION SELECT linked_to FROM links)
), ends AS MATERIALIZED (
    SELECT site_id, user_id FROM identities WHERE user_id IN (SELECT person_id FROM near)
)
SELECT links.site_id, links.user_id, links.linked_to, links.linked_at, links.event_id, own.person_id,
       coalesce(ahead.person_id, links.linked_to), coalesce(own.linked_to = links.linked_to, FALSE),
       ends.user_id IS NOT NULL
FROM links
LEFT JOIN near own ON own.site_id = links.site_id AND own.user_id = links.user_id
LEFT JOIN near ahead ON ahead.site_id = links.site_id AND ahead.user_id = links.linked_to
LEFT JOIN ends ON ends.site_id = own.site_id AND ends.user_id = own.person_id
WHERE own.user_id IS NULL OR links.linked_at < own.linked_at
   OR (links.linked_at = own.linked_at AND links.event_id < own.event_id);

-- name: joined
-- Select all joined ids of the given persons.
SELECT identities.site_id, identities.user_id, identities.linked_to, identities.linked_at, identities.event_id,
       identities.person_id
FROM identities JOIN (SELECT unnest($sites::VARCHAR[]) AS site_id, unnest($persons::VARCHAR[]) AS person_id) wanted
  ON wanted.site_id = identities.site_id AND wanted.person_id = identities.person_id;

-- name: move
-- Make all ids of the given persons resolve to other persons.
UPDATE identities SET person_id = moves.later
FROM (SELECT unnest($sites::VARCHAR[]) AS site_id, unnest($persons::VARCHAR[]) AS person_id,
             unnest($later::VARCHAR[]) AS later) moves
WHERE moves.site_id = identities.site_id AND moves.person_id = identities.person_id;

-- name: forget
-- Delete the rows of the given ids; `enter` inserts their new ones.
DELETE FROM identities USING (SELECT unnest($sites::VARCHAR[]) AS site_id, unnest($users::VARCHAR[]) AS user_id) ids
WHERE ids.site_id = identities.site_id AND ids.user_id = identities.user_id;

-- name: enter
-- Insert the rows of the given ids.
INSERT INTO identities
SELECT unnest($sites::VARCHAR[]), unnest($users::VARCHAR[]), unnest($linked::VARCHAR[]), unnest($at::TIMESTAMP[]),
       unnest($events::UUID[]), unnest($persons::VARCHAR[]);

-- name: purge
-- Delete persons without remaining events. If a person's newest link is not before the
-- border of the site, its event remains.
DELETE FROM identities USING (
    SELECT identities.site_id, person_id FROM identities JOIN purged_sites USING (site_id)
    GROUP BY ALL HAVING max(linked_at) < max(before)
    EXCEPT
    SELECT people.site_id, coalesce(identities.person_id, people.user_id)
    FROM people LEFT JOIN identities ON identities.site_id = people.site_id AND identities.user_id = people.user_id
) gone
WHERE gone.site_id = identities.site_id AND gone.person_id = identities.person_id;

-- name: purge_splits
-- Delete splits of joins that were all purged.
DELETE FROM splits USING purged_sites
WHERE purged_sites.site_id = splits.site_id AND split_at < before;

-- name: person
-- Select the person that an id resolves to.
SELECT person_id FROM identities WHERE site_id = $site AND user_id = $user;

-- name: split
-- Insert or replace the splits of some ids.
INSERT INTO splits
SELECT $site, unnest($users::VARCHAR[]), make_timestamp($split_at);

-- name: forget_splits
DELETE FROM splits WHERE site_id = $site AND user_id IN (SELECT unnest($users::VARCHAR[]));

-- name: persons_of
-- Select the persons of the given ids.
SELECT DISTINCT identities.site_id, identities.person_id
FROM identities JOIN (SELECT unnest($sites::VARCHAR[]) AS site_id, unnest($users::VARCHAR[]) AS user_id) ids
  ON ids.site_id = identities.site_id AND ids.user_id = identities.user_id;

-- name: find_links
-- Put the stored events that join the given ids into `incoming`, as if they came now. `first`: the earliest event time.
CREATE OR REPLACE TEMP TABLE incoming AS
SELECT event_id, site_id, name, timestamp, received_at, user_id, session_id, source, path, properties FROM events
WHERE name IN ('identify', '$identify', 'alias', '$create_alias') AND timestamp >= make_timestamp($first)
  AND (site_id, link_id(name, user_id, properties)) IN (
      SELECT (ids.site_id, ids.user_id)
      FROM (SELECT unnest($sites::VARCHAR[]) AS site_id, unnest($users::VARCHAR[]) AS user_id) ids);

-- name: verify_links
-- Count links among a day's events that are missing from the table, although no earlier link of their id is there.
SELECT count(*) FROM (
    SELECT site_id, link_id(name, user_id, properties) AS user_id, user_id AS linked_to, timestamp, event_id FROM events
    WHERE name IN ('identify', '$identify', 'alias', '$create_alias')
      AND timestamp >= make_timestamp($day) AND timestamp < make_timestamp($day) + INTERVAL 1 DAY
) links LEFT JOIN identities ON identities.site_id = links.site_id AND identities.user_id = links.user_id
LEFT JOIN splits ON splits.site_id = links.site_id AND splits.user_id = links.user_id
WHERE links.user_id IS NOT NULL AND (splits.split_at IS NULL OR links.timestamp > splits.split_at)
  AND (identities.user_id IS NULL OR links.timestamp < identities.linked_at
       OR (links.timestamp = identities.linked_at AND links.event_id < identities.event_id)
       OR (links.timestamp = identities.linked_at AND links.event_id = identities.event_id
           AND links.linked_to <> identities.linked_to));

-- name: verify_identities
-- Count joined ids whose event is missing and too young to have been purged, or before their split; ids that resolve to
-- another person than their links lead to; and ids that are there twice.
SELECT (SELECT count(*) FROM identities LEFT JOIN splits
            ON splits.site_id = identities.site_id AND splits.user_id = identities.user_id
        LEFT JOIN purged_sites ON purged_sites.site_id = identities.site_id
        WHERE linked_at <= split_at
           OR linked_at >= coalesce(purged_sites.before, '0001-01-01') AND NOT EXISTS (
            SELECT 1 FROM events
            WHERE events.name IN ('identify', '$identify', 'alias', '$create_alias')
              AND events.timestamp = identities.linked_at AND events.event_id = identities.event_id
              AND events.site_id = identities.site_id AND events.user_id = identities.linked_to
              AND link_id(events.name, events.user_id, events.properties) = identities.user_id)),
       (SELECT count(*) FROM identities
        LEFT JOIN identity_persons resolved
          ON resolved.site_id = identities.site_id AND resolved.user_id = identities.user_id
        WHERE resolved.person_id IS DISTINCT FROM identities.person_id),
       (SELECT count(*) - count(DISTINCT (site_id, user_id)) FROM identities);

-- The ids and the persons that they resolve to. A batch's links change them in the transaction that stores its events.

-- name: new_links
-- Select each id's earliest link in the batch if it is earlier than the stored one, with the stored rows of both ids.
WITH links AS (
    SELECT DISTINCT ON (found.site_id, found.user_id) found.* FROM (
        SELECT site_id, link_id(name, user_id, properties) COLLATE "C" AS user_id, user_id AS linked_to,
               timestamp AS linked_at, event_id
        FROM incoming WHERE name IN ('identify', '$identify', 'alias', '$create_alias')
    ) found
    LEFT JOIN splits ON splits.site_id = found.site_id AND splits.user_id = found.user_id
    WHERE found.user_id IS NOT NULL AND (splits.split_at IS NULL OR found.linked_at > splits.split_at)
    ORDER BY found.site_id, found.user_id, found.linked_at, found.event_id
)
SELECT links.site_id, links.user_id, links.linked_to, links.linked_at, links.event_id, own.person_id,
       coalesce(ahead.person_id, links.linked_to), coalesce(own.linked_to = links.linked_to, false),
       ends.user_id IS NOT NULL
FROM links
LEFT JOIN identities own ON own.site_id = links.site_id AND own.user_id = links.user_id
LEFT JOIN identities ahead ON ahead.site_id = links.site_id AND ahead.user_id = links.linked_to
LEFT JOIN identities ends ON ends.site_id = own.site_id AND ends.user_id = own.person_id
WHERE own.user_id IS NULL OR (links.linked_at, links.event_id) < (own.linked_at, own.event_id);

-- name: joined
-- Select all joined ids of the given persons.
SELECT identities.site_id, identities.user_id, identities.linked_to, identities.linked_at, identities.event_id,
       identities.person_id
FROM unnest($1::text[], $2::text[]) AS wanted (site_id, person_id)
JOIN identities ON identities.site_id = wanted.site_id AND identities.person_id = wanted.person_id;

-- name: move
-- Make all ids of the given persons resolve to other persons.
UPDATE identities SET person_id = moves.later
FROM unnest($1::text[], $2::text[], $3::text[]) AS moves (site_id, person_id, later)
WHERE moves.site_id = identities.site_id AND moves.person_id = identities.person_id;

-- name: enter
-- Insert or replace the rows of the given ids.
INSERT INTO identities
SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::timestamptz[], $5::uuid[], $6::text[])
ON CONFLICT (site_id, user_id) DO UPDATE SET
    linked_to = excluded.linked_to, linked_at = excluded.linked_at, event_id = excluded.event_id,
    person_id = excluded.person_id;

-- name: purge
-- Delete persons without remaining events. If a person's newest link is not before the
-- border of the site, its event remains.
WITH gone AS (
    SELECT identities.site_id, person_id FROM identities JOIN purged_sites USING (site_id)
    GROUP BY identities.site_id, person_id HAVING max(linked_at) < max(before)
    EXCEPT
    SELECT people_days.site_id, coalesce(identities.person_id, people_days.user_id)
    FROM people_days
    LEFT JOIN identities ON identities.site_id = people_days.site_id AND identities.user_id = people_days.user_id
)
DELETE FROM identities USING gone WHERE gone.site_id = identities.site_id AND gone.person_id = identities.person_id;

-- name: purge_splits
-- Delete splits of joins that were all purged.
DELETE FROM splits USING purged_sites WHERE purged_sites.site_id = splits.site_id AND split_at < before;

-- name: person
-- Select the person that an id resolves to.
SELECT person_id FROM identities WHERE site_id = $1 AND user_id = $2;

-- name: split
-- Insert or replace the splits of some ids.
INSERT INTO splits SELECT $1, unnest($2::text[]), $3
ON CONFLICT (site_id, user_id) DO UPDATE SET split_at = excluded.split_at;

-- name: persons_of
-- Select the persons of the given ids.
SELECT DISTINCT identities.site_id, identities.person_id
FROM unnest($1::text[], $2::text[]) AS ids (site_id, user_id)
JOIN identities ON identities.site_id = ids.site_id AND identities.user_id = ids.user_id;

-- name: forget
-- Delete the rows of the given ids.
DELETE FROM identities USING unnest($1::text[], $2::text[]) AS ids (site_id, user_id)
WHERE ids.site_id = identities.site_id AND ids.user_id = identities.user_id;

-- name: find_links
-- Put the stored events that join the given ids into `incoming`, as if they came now. $3: the earliest event time.
INSERT INTO incoming
    (line, event_id, timestamp, received_at, site_id, name, user_id, session_id, source, path, properties)
SELECT 0, event_id, timestamp, received_at, events.site_id, name, events.user_id, session_id, source, path, properties
FROM events
JOIN (SELECT DISTINCT * FROM unnest($1::text[], $2::text[]) AS given (site_id, user_id)) ids
  ON ids.site_id = events.site_id AND ids.user_id = link_id(name, events.user_id, properties) COLLATE "C"
WHERE name IN ('identify', '$identify', 'alias', '$create_alias') AND timestamp >= $3;

-- name: verify_links
-- Count links among a day's events that are missing from the table, although no earlier link of their id is there.
SELECT count(*) FROM (
    SELECT site_id, link_id(name, user_id, properties) COLLATE "C" AS user_id, user_id AS linked_to, timestamp, event_id
    FROM events
    WHERE name IN ('identify', '$identify', 'alias', '$create_alias')
      AND timestamp >= $1 AND timestamp < $1::timestamptz + interval '1 day'
) links LEFT JOIN identities ON identities.site_id = links.site_id AND identities.user_id = links.user_id
LEFT JOIN splits ON splits.site_id = links.site_id AND splits.user_id = links.user_id
WHERE links.user_id IS NOT NULL AND (splits.split_at IS NULL OR links.timestamp > splits.split_at)
  AND (identities.user_id IS NULL OR (links.timestamp, links.event_id) < (identities.linked_at, identities.event_id)
       OR ((links.timestamp, links.event_id) = (identities.linked_at, identities.event_id)
           AND links.linked_to <> identities.linked_to));

-- name: verify_identities
-- Count joined ids whose event is missing and too young to have been purged, or before their split; and ids that
-- resolve to another person than their links lead to.
SELECT (SELECT count(*) FROM identities LEFT JOIN splits
            ON splits.site_id = identities.site_id AND splits.user_id = identities.user_id
        LEFT JOIN purged_sites ON purged_sites.site_id = identities.site_id
        WHERE linked_at <= split_at
           OR linked_at >= coalesce(purged_sites.before, '-infinity') AND NOT EXISTS (
            SELECT FROM events
            WHERE events.site_id = identities.site_id AND events.timestamp = identities.linked_at
              AND events.event_id = identities.event_id AND events.user_id = identities.linked_to
              AND link_id(events.name, events.user_id, events.properties) = identities.user_id)),
       (SELECT count(*) FROM identities
        LEFT JOIN identity_persons resolved
          ON resolved.site_id = identities.site_id AND resolved.user_id = identities.user_id
        WHERE resolved.person_id IS DISTINCT FROM identities.person_id);

-- Which ids resolve to which person: what a batch's links change, in the transaction that stores their events.

-- name: new_links
-- Select each id's earliest link of the batch if it is earlier than the known one, with what is known of both ids.
-- `near` is found by hashing the batch's few ids instead of all known ones.
WITH found AS (
    SELECT site_id, link_id(name, user_id, properties) AS user_id, user_id AS linked_to,
           timestamp AS linked_at, event_id
    FROM incoming WHERE name IN ('identify', '$identify', 'alias', '$create_alias')
), links AS MATERIALIZED (
    SELECT DISTINCT ON (site_id, user_id) * FROM found WHERE user_id IS NOT NULL
    ORDER BY site_id, user_id, linked_at, event_id
), near AS MATERIALIZED (
    SELECT * FROM identities WHERE user_id IN (SELECT user_id FROM links UNION SELECT linked_to FROM links)
), ends AS MATERIALIZED (
    SELECT site_id, user_id FROM identities WHERE user_id IN (SELECT person_id FROM near)
)
SELECT l.site_id, l.user_id, l.linked_to, l.linked_at, l.event_id, own.person_id,
       coalesce(ahead.person_id, l.linked_to), coalesce(own.linked_to = l.linked_to, FALSE), ends.user_id IS NOT NULL
FROM links l
LEFT JOIN near own ON own.site_id = l.site_id AND own.user_id = l.user_id
LEFT JOIN near ahead ON ahead.site_id = l.site_id AND ahead.user_id = l.linked_to
LEFT JOIN ends ON ends.site_id = own.site_id AND ends.user_id = own.person_id
WHERE own.user_id IS NULL OR l.linked_at < own.linked_at
   OR (l.linked_at = own.linked_at AND l.event_id < own.event_id);

-- name: joined
-- Select all joined ids of some persons.
SELECT i.site_id, i.user_id, i.linked_to, i.linked_at, i.event_id, i.person_id
FROM identities i JOIN (SELECT unnest($sites::VARCHAR[]) AS site_id, unnest($persons::VARCHAR[]) AS person_id) p
  ON p.site_id = i.site_id AND p.person_id = i.person_id;

-- name: move
-- Make all ids of some persons resolve to other persons.
UPDATE identities SET person_id = m.later
FROM (SELECT unnest($sites::VARCHAR[]) AS site_id, unnest($persons::VARCHAR[]) AS person_id,
             unnest($later::VARCHAR[]) AS later) m
WHERE m.site_id = identities.site_id AND m.person_id = identities.person_id;

-- name: forget
-- Delete the rows of some ids; `enter` inserts their new ones.
DELETE FROM identities USING (SELECT unnest($sites::VARCHAR[]) AS site_id, unnest($users::VARCHAR[]) AS user_id) k
WHERE k.site_id = identities.site_id AND k.user_id = identities.user_id;

-- name: enter
INSERT INTO identities
SELECT unnest($sites::VARCHAR[]), unnest($users::VARCHAR[]), unnest($linked::VARCHAR[]), unnest($at::TIMESTAMP[]),
       unnest($events::UUID[]), unnest($persons::VARCHAR[]);

-- name: purge
-- Delete persons of whom no event is left. If a person's newest link is after the border, its event is left.
DELETE FROM identities USING (
    SELECT site_id, person_id FROM identities GROUP BY ALL HAVING max(linked_at) < make_timestamp($before)
    EXCEPT
    SELECT p.site_id, coalesce(i.person_id, p.user_id)
    FROM people p LEFT JOIN identities i ON i.site_id = p.site_id AND i.user_id = p.user_id
) gone
WHERE gone.site_id = identities.site_id AND gone.person_id = identities.person_id;

-- name: verify_links
-- Count links among a day's events that should be in the table, or an earlier link of their id, but are not.
SELECT count(*) FROM (
    SELECT site_id, link_id(name, user_id, properties) AS user_id, user_id AS linked_to, timestamp, event_id FROM events
    WHERE name IN ('identify', '$identify', 'alias', '$create_alias')
      AND timestamp >= make_timestamp($day) AND timestamp < make_timestamp($day) + INTERVAL 1 DAY
) e LEFT JOIN identities i ON i.site_id = e.site_id AND i.user_id = e.user_id
WHERE e.user_id IS NOT NULL
  AND (i.user_id IS NULL OR e.timestamp < i.linked_at OR (e.timestamp = i.linked_at AND e.event_id < i.event_id)
       OR (e.timestamp = i.linked_at AND e.event_id = i.event_id AND e.linked_to <> i.linked_to));

-- name: verify_identities
-- Count joined ids whose event is missing and too young to have been purged, ids that resolve to another person than
-- their links lead to, and ids that are there twice.
SELECT (SELECT count(*) FROM identities i WHERE linked_at >= (SELECT coalesce(max(before), '0001-01-01') FROM purges)
        AND NOT EXISTS (
            SELECT 1 FROM events e
            WHERE e.name IN ('identify', '$identify', 'alias', '$create_alias') AND e.timestamp = i.linked_at
              AND e.event_id = i.event_id AND e.site_id = i.site_id AND e.user_id = i.linked_to
              AND link_id(e.name, e.user_id, e.properties) = i.user_id)),
       (SELECT count(*) FROM identities i
        LEFT JOIN identity_persons p ON p.site_id = i.site_id AND p.user_id = i.user_id
        WHERE p.person_id IS DISTINCT FROM i.person_id),
       (SELECT count(*) - count(DISTINCT (site_id, user_id)) FROM identities);

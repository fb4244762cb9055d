-- Which ids resolve to which person: what a batch's links change, in the transaction that stores their events.

-- name: new_links
-- Select each id's earliest link of the batch if it is earlier than the known one, with what is known of both ids.
WITH links AS (
    SELECT DISTINCT ON (site_id, user_id) * FROM (
        SELECT site_id, link_id(name, user_id, properties) COLLATE "C" AS user_id, user_id AS linked_to,
               timestamp AS linked_at, event_id
        FROM incoming WHERE name IN ('identify', '$identify', 'alias', '$create_alias')
    ) found WHERE user_id IS NOT NULL
    ORDER BY site_id, user_id, linked_at, event_id
)
SELECT l.site_id, l.user_id, l.linked_to, l.linked_at, l.event_id, own.person_id,
       coalesce(ahead.person_id, l.linked_to), coalesce(own.linked_to = l.linked_to, false), ends.user_id IS NOT NULL
FROM links l
LEFT JOIN identities own ON own.site_id = l.site_id AND own.user_id = l.user_id
LEFT JOIN identities ahead ON ahead.site_id = l.site_id AND ahead.user_id = l.linked_to
LEFT JOIN identities ends ON ends.site_id = own.site_id AND ends.user_id = own.person_id
WHERE own.user_id IS NULL OR (l.linked_at, l.event_id) < (own.linked_at, own.event_id);

-- name: joined
-- Select all joined ids of some persons.
SELECT i.site_id, i.user_id, i.linked_to, i.linked_at, i.event_id, i.person_id
FROM unnest($1::text[], $2::text[]) AS p (site_id, person_id)
JOIN identities i ON i.site_id = p.site_id AND i.person_id = p.person_id;

-- name: move
-- Make all ids of some persons resolve to other persons.
UPDATE identities i SET person_id = m.later
FROM unnest($1::text[], $2::text[], $3::text[]) AS m (site_id, person_id, later)
WHERE m.site_id = i.site_id AND m.person_id = i.person_id;

-- name: enter
-- Insert or replace the rows of some ids.
INSERT INTO identities
SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::timestamptz[], $5::uuid[], $6::text[])
ON CONFLICT (site_id, user_id) DO UPDATE SET
    linked_to = excluded.linked_to, linked_at = excluded.linked_at, event_id = excluded.event_id,
    person_id = excluded.person_id;

-- name: purge
-- Delete persons of whom no event is left. If a person's newest link is after the border, its event is left.
WITH gone AS (
    SELECT site_id, person_id FROM identities GROUP BY site_id, person_id HAVING max(linked_at) < $1
    EXCEPT
    SELECT p.site_id, coalesce(i.person_id, p.user_id)
    FROM people_days p LEFT JOIN identities i ON i.site_id = p.site_id AND i.user_id = p.user_id
)
DELETE FROM identities i USING gone WHERE gone.site_id = i.site_id AND gone.person_id = i.person_id;

-- name: verify_links
-- Count links among a day's events that should be in the table, or an earlier link of their id, but are not.
SELECT count(*) FROM (
    SELECT site_id, link_id(name, user_id, properties) COLLATE "C" AS user_id, user_id AS linked_to, timestamp, event_id
    FROM events
    WHERE name IN ('identify', '$identify', 'alias', '$create_alias')
      AND timestamp >= $1 AND timestamp < $1::timestamptz + interval '1 day'
) e LEFT JOIN identities i ON i.site_id = e.site_id AND i.user_id = e.user_id
WHERE e.user_id IS NOT NULL
  AND (i.user_id IS NULL OR (e.timestamp, e.event_id) < (i.linked_at, i.event_id)
       OR ((e.timestamp, e.event_id) = (i.linked_at, i.event_id) AND e.linked_to <> i.linked_to));

-- name: verify_identities
-- Count joined ids whose event is missing and too young to have been purged, and ids that resolve to another person
-- than their links lead to.
SELECT (SELECT count(*) FROM identities i
        WHERE linked_at >= (SELECT coalesce(max(before), '-infinity') FROM purges) AND NOT EXISTS (
            SELECT FROM events e
            WHERE e.site_id = i.site_id AND e.timestamp = i.linked_at AND e.event_id = i.event_id
              AND e.user_id = i.linked_to AND link_id(e.name, e.user_id, e.properties) = i.user_id)),
       (SELECT count(*) FROM identities i
        LEFT JOIN identity_persons p ON p.site_id = i.site_id AND p.user_id = i.user_id
        WHERE p.person_id IS DISTINCT FROM i.person_id);

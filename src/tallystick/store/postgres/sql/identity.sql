-- Who is one person: what a batch's links change, in the transaction that stores their events.

-- name: new_links
-- Of each id the batch's earliest link, when it is earlier than the one that is known, with what is known of the ids
-- that it names.
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
-- All ids of some persons that were joined to another.
SELECT i.site_id, i.user_id, i.linked_to, i.linked_at, i.event_id, i.person_id
FROM unnest($1::text[], $2::text[]) AS p (site_id, person_id)
JOIN identities i ON i.site_id = p.site_id AND i.person_id = p.person_id;

-- name: move
UPDATE identities i SET person_id = m.later
FROM unnest($1::text[], $2::text[], $3::text[]) AS m (site_id, person_id, later)
WHERE m.site_id = i.site_id AND m.person_id = i.person_id;

-- name: enter
INSERT INTO identities
SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::timestamptz[], $5::uuid[], $6::text[])
ON CONFLICT (site_id, user_id) DO UPDATE SET
    linked_to = excluded.linked_to, linked_at = excluded.linked_at, event_id = excluded.event_id,
    person_id = excluded.person_id;

-- name: purge
-- Persons of whom no event is left. Somebody whose newest link is younger than the border has that link's event.
WITH gone AS (
    SELECT site_id, person_id FROM identities GROUP BY site_id, person_id HAVING max(linked_at) < $1
    EXCEPT
    SELECT p.site_id, coalesce(i.person_id, p.user_id)
    FROM people_days p LEFT JOIN identities i ON i.site_id = p.site_id AND i.user_id = p.user_id
)
DELETE FROM identities i USING gone WHERE gone.site_id = i.site_id AND gone.person_id = i.person_id;

-- name: verify_links
-- Links among a day's events of which an earlier one, or they themselves, should be there and are not.
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
-- Joined ids whose event is neither there nor old enough to have been purged, and those whose person is not where the
-- links lead.
SELECT (SELECT count(*) FROM identities i
        WHERE linked_at >= (SELECT coalesce(max(before), '-infinity') FROM purges) AND NOT EXISTS (
            SELECT FROM events e
            WHERE e.site_id = i.site_id AND e.timestamp = i.linked_at AND e.event_id = i.event_id
              AND e.user_id = i.linked_to AND link_id(e.name, e.user_id, e.properties) = i.user_id)),
       (SELECT count(*) FROM identities i
        LEFT JOIN identity_persons p ON p.site_id = i.site_id AND p.user_id = i.user_id
        WHERE p.person_id IS DISTINCT FROM i.person_id);

-- Identity: which other id an id was joined to by the earliest `identify` or `alias` event about it, and whose events it
-- therefore counts among. docs/use/identity.md has the rules.

CREATE TABLE identities (
    site_id   VARCHAR   NOT NULL,
    user_id   VARCHAR   NOT NULL,       -- the id that was joined; a site has one row of it
    linked_to VARCHAR   NOT NULL,
    linked_at TIMESTAMP NOT NULL,       -- the time of the event that did it
    event_id  UUID      NOT NULL,
    person_id VARCHAR   NOT NULL        -- the end of the chain; the id itself when it is where a circle was cut
);

-- A property that may be the other id: a text of 1 to 256 characters that is not the user's own.
CREATE MACRO link_text(properties, pointer, user_id) AS
    CASE WHEN left(CAST(json_extract(properties, pointer) AS VARCHAR), 1) = '"'
          AND length(json_extract_string(properties, pointer)) BETWEEN 1 AND 256
          AND json_extract_string(properties, pointer) <> user_id
         THEN json_extract_string(properties, pointer) END;

-- The id that an event joins to its user; NULL when it joins none.
CREATE MACRO link_id(name, user_id, properties) AS
    CASE WHEN name IN ('identify', '$identify')
         THEN coalesce(link_text(properties, '/anonymous_id', user_id), link_text(properties, '/anonymousId', user_id),
                       link_text(properties, '/$anon_distinct_id', user_id))
         WHEN name IN ('alias', '$create_alias')
         THEN coalesce(link_text(properties, '/alias', user_id), link_text(properties, '/previous_id', user_id),
                       link_text(properties, '/previousId', user_id)) END;

-- What `person_id` has to be, worked out from all the links: for `verify`, and to begin with. `reached` goes back along
-- the links from every id that was joined to no other; what it does not reach leads into a circle. `followed` has, of
-- these ids, each one that lies ahead of each.
CREATE VIEW identity_persons AS
WITH RECURSIVE reached AS (
    SELECT i.site_id, i.user_id, i.linked_to AS person_id FROM identities i
    WHERE NOT EXISTS (SELECT 1 FROM identities n WHERE n.site_id = i.site_id AND n.user_id = i.linked_to)
    UNION ALL
    SELECT i.site_id, i.user_id, r.person_id
    FROM reached r JOIN identities i ON i.site_id = r.site_id AND i.linked_to = r.user_id
), circling AS (
    SELECT * FROM identities i
    WHERE NOT EXISTS (SELECT 1 FROM reached r WHERE r.site_id = i.site_id AND r.user_id = i.user_id)
), followed AS (
    SELECT site_id, user_id, linked_to AS ahead FROM circling
    UNION
    SELECT f.site_id, f.user_id, c.linked_to
    FROM followed f JOIN circling c ON c.site_id = f.site_id AND c.user_id = f.ahead
), circles AS (
    SELECT c.* FROM circling c JOIN followed f ON f.site_id = c.site_id AND f.user_id = c.user_id AND f.ahead = c.user_id
), cut AS (
    SELECT DISTINCT ON (f.site_id, f.user_id) f.site_id, f.user_id, c.user_id AS person_id
    FROM followed f JOIN circles c ON c.site_id = f.site_id AND c.user_id = f.ahead
    ORDER BY f.site_id, f.user_id, c.linked_at DESC, c.event_id DESC
)
SELECT site_id, user_id, person_id FROM reached UNION ALL SELECT site_id, user_id, person_id FROM cut;

-- From the events that are stored already.
INSERT INTO identities
SELECT DISTINCT ON (site_id, joined) site_id, joined, user_id, timestamp, event_id, user_id
FROM (
    SELECT site_id, link_id(name, user_id, properties) AS joined, user_id, timestamp, event_id FROM events
    WHERE name IN ('identify', '$identify', 'alias', '$create_alias')
) AS links
WHERE joined IS NOT NULL
ORDER BY site_id, joined, timestamp, event_id;

UPDATE identities SET person_id = p.person_id FROM identity_persons p
WHERE p.site_id = identities.site_id AND p.user_id = identities.user_id;

-- Identity: placeholders join nobody, numbers join as their text, and a split takes joined ids apart again.
-- docs/use/identity.md has the rules. `removals` accounts for events that were taken back, as `purges` does for retention.

-- Joins of an id at or before this time do not count.
CREATE TABLE splits (
    site_id  VARCHAR   NOT NULL,
    user_id  VARCHAR   NOT NULL,        -- the id that was joined
    split_at TIMESTAMP NOT NULL         -- event time
);

-- Events that were removed by what they are, not by their age, so that the books still close.
CREATE TABLE removals (
    removed_at TIMESTAMP NOT NULL,
    kind       VARCHAR   NOT NULL,      -- import
    subject    VARCHAR   NOT NULL,      -- the import's id
    site_id    VARCHAR   NOT NULL,
    events     BIGINT    NOT NULL
);

-- What programs send when they know no id. Compared without quotes and white space around it, and whatever the case of
-- ASCII letters, so that every store has the same rule.
CREATE OR REPLACE MACRO is_placeholder(id) AS
    translate(trim(id, concat(' "''', chr(9), chr(10), chr(11), chr(12), chr(13))),
              'ABCDEFGHIJKLMNOPQRSTUVWXYZ', 'abcdefghijklmnopqrstuvwxyz')
    IN ('', 'null', '(null)', '<null>', 'nil', '<nil>', 'none', 'undefined', 'nan', '0', '-1', 'true', 'false',
        '[object object]', 'anonymous', 'guest', 'unknown', 'not_authenticated', 'id', 'email', 'distinct_id',
        'distinctid', '00000000-0000-0000-0000-000000000000');

-- A property's JSON that may be the other id: a text of 1 to 256 characters, or a whole number; not the user's own id,
-- and no placeholder.
DROP MACRO link_text;
CREATE MACRO link_text(value, user_id) AS
    CASE WHEN (left(CAST(value AS VARCHAR), 1) = '"' OR regexp_full_match(CAST(value AS VARCHAR), '-?[0-9]+'))
          AND length(json_extract_string(value, '$')) BETWEEN 1 AND 256
          AND json_extract_string(value, '$') <> user_id
          AND NOT is_placeholder(json_extract_string(value, '$'))
         THEN json_extract_string(value, '$') END;

-- The first of some properties that may be the other id. The rule stands once, in a function of a list: a statement needs
-- memory for each place in which it stands.
CREATE MACRO first_link(properties, pointers, user_id) AS
    list_extract(list_filter(list_transform(json_extract(properties, pointers), lambda value: link_text(value, user_id)),
                             lambda id: id IS NOT NULL), 1);

-- The id that an event joins to its user; NULL when it joins none.
CREATE OR REPLACE MACRO link_id(name, user_id, properties) AS
    CASE WHEN is_placeholder(user_id) THEN NULL
         WHEN name IN ('identify', '$identify')
         THEN first_link(properties, ['/anonymous_id', '/anonymousId', '/$anon_distinct_id'], user_id)
         WHEN name IN ('alias', '$create_alias')
         THEN first_link(properties, ['/alias', '/previous_id', '/previousId'], user_id) END;

-- Apply the rules to the ids that are joined already. Joins whose event was purged stay, unless an id is a placeholder.
CREATE OR REPLACE TEMP TABLE links AS
SELECT site_id, link_id(name, user_id, properties) AS user_id, user_id AS linked_to, timestamp AS linked_at, event_id
FROM events WHERE name IN ('identify', '$identify', 'alias', '$create_alias');

DELETE FROM identities WHERE is_placeholder(user_id) OR is_placeholder(linked_to);

DELETE FROM identities USING links
WHERE links.site_id = identities.site_id AND links.event_id = identities.event_id
  AND links.linked_at = identities.linked_at AND links.user_id IS DISTINCT FROM identities.user_id;

DELETE FROM identities USING links
WHERE links.site_id = identities.site_id AND links.user_id = identities.user_id
  AND (links.linked_at < identities.linked_at
       OR (links.linked_at = identities.linked_at AND links.event_id < identities.event_id));

INSERT INTO identities
SELECT DISTINCT ON (site_id, user_id) site_id, user_id, linked_to, linked_at, event_id, linked_to
FROM links ANTI JOIN identities USING (site_id, user_id)
WHERE user_id IS NOT NULL
ORDER BY site_id, user_id, linked_at, event_id;

DROP TABLE links;

UPDATE identities SET person_id = p.person_id FROM identity_persons p
WHERE p.site_id = identities.site_id AND p.user_id = identities.user_id;

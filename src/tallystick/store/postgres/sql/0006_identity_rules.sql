-- Identity: placeholders join nobody, numbers join as their text, and a split takes joined ids apart again.
-- docs/use/identity.md has the rules. `removals` accounts for events that were taken back, as `purges` does for retention.

-- Joins of an id at or before this time do not count.
CREATE TABLE splits (
    site_id  text        COLLATE "C" NOT NULL,
    user_id  text        COLLATE "C" NOT NULL,      -- the id that was joined
    split_at timestamptz NOT NULL,                  -- event time
    PRIMARY KEY (site_id, user_id)
);

-- Events that were removed by what they are, not by their age, so that the books still close.
CREATE TABLE removals (
    removed_at timestamptz NOT NULL,
    kind       text        COLLATE "C" NOT NULL,    -- import
    subject    text        COLLATE "C" NOT NULL,    -- the import's id
    site_id    text        COLLATE "C" NOT NULL,
    events     bigint      NOT NULL
);

-- What programs send when they know no id. Compared without quotes and white space around it, and whatever the case of
-- ASCII letters, so that every store has the same rule.
CREATE FUNCTION is_placeholder(id text) RETURNS boolean
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN translate(btrim(id, E' "''\t\n\x0b\f\r'), 'ABCDEFGHIJKLMNOPQRSTUVWXYZ', 'abcdefghijklmnopqrstuvwxyz')
    IN ('', 'null', '(null)', '<null>', 'nil', '<nil>', 'none', 'undefined', 'nan', '0', '-1', 'true', 'false',
        '[object object]', 'anonymous', 'guest', 'unknown', 'not_authenticated', 'id', 'email', 'distinct_id',
        'distinctid', '00000000-0000-0000-0000-000000000000');

-- A property that may be the other id: a text of 1 to 256 characters, or a whole number; not the user's own id, and no
-- placeholder.
CREATE OR REPLACE FUNCTION link_text(properties json, key text, user_id text) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE
    WHEN (json_typeof(properties -> key) = 'string'
          OR (json_typeof(properties -> key) = 'number' AND properties ->> key ~ '^-?[0-9]+$'))
     AND char_length(properties ->> key) BETWEEN 1 AND 256
     AND properties ->> key <> user_id AND NOT is_placeholder(properties ->> key)
     AND NOT (json_typeof(properties -> key) = 'number' AND properties ->> key = '-0')
    THEN properties ->> key
END;

-- The id that an event joins to its user; NULL when it joins none.
CREATE OR REPLACE FUNCTION link_id(name text, user_id text, properties json) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE
    WHEN is_placeholder(user_id) THEN NULL
    WHEN name IN ('identify', '$identify')
    THEN coalesce(link_text(properties, 'anonymous_id', user_id), link_text(properties, 'anonymousId', user_id),
                  link_text(properties, '$anon_distinct_id', user_id))
    WHEN name IN ('alias', '$create_alias')
    THEN coalesce(link_text(properties, 'alias', user_id), link_text(properties, 'previous_id', user_id),
                  link_text(properties, 'previousId', user_id))
END;

-- Apply the rules to the ids that are joined already. Joins whose event was purged stay, unless an id is a placeholder.
CREATE TEMP TABLE links ON COMMIT DROP AS
SELECT site_id, link_id(name, user_id, properties) COLLATE "C" AS user_id, user_id AS linked_to,
       timestamp AS linked_at, event_id
FROM events WHERE name IN ('identify', '$identify', 'alias', '$create_alias');

DELETE FROM identities WHERE is_placeholder(user_id) OR is_placeholder(linked_to);

DELETE FROM identities USING links
WHERE links.site_id = identities.site_id AND links.event_id = identities.event_id
  AND links.linked_at = identities.linked_at AND links.user_id IS DISTINCT FROM identities.user_id;

DELETE FROM identities USING links
WHERE links.site_id = identities.site_id AND links.user_id = identities.user_id
  AND (links.linked_at, links.event_id) < (identities.linked_at, identities.event_id);

INSERT INTO identities
SELECT DISTINCT ON (site_id, user_id) site_id, user_id, linked_to, linked_at, event_id, linked_to
FROM links
WHERE user_id IS NOT NULL AND NOT EXISTS (
    SELECT FROM identities WHERE identities.site_id = links.site_id AND identities.user_id = links.user_id)
ORDER BY site_id, user_id, linked_at, event_id;

UPDATE identities SET person_id = p.person_id FROM identity_persons p
WHERE p.site_id = identities.site_id AND p.user_id = identities.user_id;

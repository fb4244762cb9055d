-- Sites that may have events of bots (`$bot` is true). A query that leaves bots out needs its condition for these only.
-- A row stays when its events are gone: the condition is never wrong, only slower than none.
CREATE TABLE bot_sites (
    site_id VARCHAR NOT NULL
);

INSERT INTO bot_sites
SELECT DISTINCT site_id
FROM events
WHERE contains(properties, '"$bot"') OR (contains(properties, '\u') AND json_extract(properties, '/$bot') = 'true');

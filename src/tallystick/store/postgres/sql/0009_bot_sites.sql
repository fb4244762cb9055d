-- Sites that may have events of bots (`$bot` is true). A query that leaves bots out needs its condition for these only.
-- A row stays when its events are gone: the condition is never wrong, only slower than none.
CREATE TABLE bot_sites (
    site_id text COLLATE "C" PRIMARY KEY
);

INSERT INTO bot_sites
SELECT DISTINCT site_id
FROM events
WHERE strpos(CAST(properties AS text), '"$bot"') > 0
   OR (strpos(CAST(properties AS text), '\u') > 0 AND properties ->> '$bot' = 'true');

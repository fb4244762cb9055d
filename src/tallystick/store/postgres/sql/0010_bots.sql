-- Which rows of the rollups stand for events of bots alone, so that a query without bots reads rollups too. Rollups of
-- sites that may have such events are counted again.

-- Whether an event is a bot's. Most texts are ruled out without being parsed; the key may be written with escapes.
CREATE FUNCTION is_bot(properties json) RETURNS boolean
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE
    WHEN strpos(properties::text, '"$bot"') > 0 OR strpos(properties::text, '\u') > 0
    THEN coalesce((properties -> '$bot')::text = 'true', false)
    ELSE false
END;

ALTER TABLE rollup ADD COLUMN bot boolean NOT NULL DEFAULT false;
-- All of the user's events in this quarter hour, or on this day, are bots'.
ALTER TABLE people ADD COLUMN bot boolean NOT NULL DEFAULT false;
ALTER TABLE people_days ADD COLUMN bot boolean NOT NULL DEFAULT false;
-- For batches with people's events: whose row says otherwise.
CREATE INDEX people_days_bots ON people_days (site_id, day, user_id) WHERE bot;

DELETE FROM rollup WHERE site_id IN (SELECT site_id FROM bot_sites);
INSERT INTO rollup
SELECT site_id, date_bin('15 minutes', timestamp, '2000-01-01Z') AS bucket, name, source, count(*), max(received_at),
       is_bot(properties)
FROM events WHERE site_id IN (SELECT site_id FROM bot_sites) GROUP BY 1, 2, 3, 4, 7 ORDER BY 1, 2;
DELETE FROM people WHERE site_id IN (SELECT site_id FROM bot_sites);
INSERT INTO people
SELECT site_id, date_bin('15 minutes', timestamp, '2000-01-01Z') AS bucket, user_id, bool_and(is_bot(properties))
FROM events WHERE user_id IS NOT NULL AND site_id IN (SELECT site_id FROM bot_sites) GROUP BY 1, 2, 3 ORDER BY 1, 2, 3;
DELETE FROM people_days WHERE site_id IN (SELECT site_id FROM bot_sites);
INSERT INTO people_days
SELECT site_id, (bucket AT TIME ZONE 'UTC')::date AS day, user_id, bool_and(bot)
FROM people WHERE site_id IN (SELECT site_id FROM bot_sites) GROUP BY 1, 2, 3 ORDER BY 1, 2, 3;

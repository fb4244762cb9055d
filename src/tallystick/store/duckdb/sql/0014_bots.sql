-- Which rows of the rollups stand for events of bots alone, so that a query without bots reads rollups and the session
-- index too. Rollups of sites that may have such events are counted again.

-- Whether an event is a bot's. Most texts are ruled out without being parsed, which only CASE is sure to do; the key may be
-- written with escapes.
CREATE MACRO is_bot(properties) AS CASE
    WHEN contains(properties, '"$bot"') OR contains(properties, '\u')
    THEN coalesce(CAST(json_extract(properties, '/$bot') AS VARCHAR) = 'true', FALSE)
    ELSE FALSE
END;

ALTER TABLE rollup ADD COLUMN bot BOOLEAN DEFAULT FALSE;
ALTER TABLE people ADD COLUMN bot BOOLEAN DEFAULT FALSE;  -- all of the user's events in this quarter hour are bots'

DELETE FROM rollup WHERE site_id IN (SELECT site_id FROM bot_sites);
INSERT INTO rollup
SELECT site_id, time_bucket(INTERVAL 15 MINUTES, timestamp), name, source, count(*), max(received_at), is_bot(properties)
FROM events WHERE site_id IN (SELECT site_id FROM bot_sites) GROUP BY ALL;
DELETE FROM people WHERE site_id IN (SELECT site_id FROM bot_sites);
INSERT INTO people
SELECT site_id, time_bucket(INTERVAL 15 MINUTES, timestamp), user_id, bool_and(is_bot(properties))
FROM events WHERE user_id IS NOT NULL AND site_id IN (SELECT site_id FROM bot_sites) GROUP BY ALL;

-- Sessions and user times are materialized anew: they would be anyway, because their rules change.
DELETE FROM session_mark;
ALTER TABLE session_parts ADD COLUMN bot_events BIGINT;
DELETE FROM times_mark;
DELETE FROM user_times;
ALTER TABLE user_times ADD COLUMN bot BOOLEAN DEFAULT FALSE;  -- these are the times of bots' events

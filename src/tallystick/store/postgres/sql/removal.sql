-- Remove events by what they are: those of an import. `removed` has the keys of the events of one step.

-- name: imports
-- Sum up what is stored of each import.
SELECT import_id, site_id, count(*), min(timestamp), max(timestamp), min(received_at), max(received_at)
FROM (
    SELECT properties ->> '$import' AS import_id, site_id, timestamp, received_at
    FROM events WHERE strpos(properties::text, '"$import"') > 0
) AS imported
WHERE import_id IS NOT NULL AND ($1::text IS NULL OR import_id = $1)
GROUP BY import_id, site_id ORDER BY max(received_at) DESC, import_id COLLATE "C", site_id;

-- name: removals
SELECT removed_at, subject, site_id, events FROM removals
WHERE kind = 'import' AND subject = $1 ORDER BY removed_at, site_id;

-- name: days
-- Count the events of an import by day.
SELECT (extract(epoch FROM date_bin('1 day', timestamp, '2000-01-01Z')) * 1000000)::bigint, count(*) FROM events
WHERE is_of_import(properties, $1) AND ($2::text IS NULL OR site_id = $2)
GROUP BY 1 ORDER BY 1;

-- name: select
-- Select the events of an import between two instants.
CREATE TEMP TABLE removed ON COMMIT DROP AS
SELECT site_id, event_id, timestamp, session_id FROM events
WHERE timestamp >= '{first}' AND timestamp < '{end}' AND is_of_import(properties, {import_id}) AND {of_site};

-- name: count
SELECT count(*) FROM removed;

-- name: record
-- Record the removal, so that `verify` can account for it.
INSERT INTO removals SELECT $1, 'import', $2, site_id, count(*) FROM removed GROUP BY site_id;

-- name: delete_events
DELETE FROM events USING removed
WHERE events.site_id = removed.site_id AND events.timestamp = removed.timestamp AND events.event_id = removed.event_id
  AND events.timestamp >= $1 AND events.timestamp < $2;

-- name: delete_recent
-- Delete their identities: one that is sent again is a new event, whatever its time.
DELETE FROM recent_ids USING removed
WHERE recent_ids.event_id = removed.event_id AND recent_ids.site_id = removed.site_id;

-- name: buckets
-- Select the quarter hours whose rollups change.
CREATE TEMP TABLE changed ON COMMIT DROP AS
SELECT DISTINCT site_id, date_bin('15 minutes', timestamp, '2000-01-01Z') AS bucket FROM removed;

-- name: delete_rollup
DELETE FROM rollup USING changed WHERE changed.site_id = rollup.site_id AND changed.bucket = rollup.bucket;

-- name: insert_rollup
-- Count these quarter hours again.
INSERT INTO rollup
SELECT events.site_id, changed.bucket, name, source, count(*), max(received_at), is_bot(properties)
FROM events JOIN changed
  ON changed.site_id = events.site_id AND changed.bucket = date_bin('15 minutes', events.timestamp, '2000-01-01Z')
WHERE timestamp >= $1 AND timestamp < $2
GROUP BY 1, 2, 3, 4, 7;

-- name: delete_people
DELETE FROM people USING changed WHERE changed.site_id = people.site_id AND changed.bucket = people.bucket;

-- name: insert_people
INSERT INTO people
SELECT events.site_id, changed.bucket, user_id, bool_and(is_bot(properties))
FROM events JOIN changed
  ON changed.site_id = events.site_id AND changed.bucket = date_bin('15 minutes', events.timestamp, '2000-01-01Z')
WHERE user_id IS NOT NULL AND timestamp >= $1 AND timestamp < $2
GROUP BY 1, 2, 3 ORDER BY 1, 2, 3;

-- name: delete_people_days
-- Delete from the changed days the users that are in none of their quarter hours any more.
DELETE FROM people_days
USING (SELECT DISTINCT site_id, (bucket AT TIME ZONE 'UTC')::date AS day FROM changed) AS days
WHERE people_days.site_id = days.site_id AND people_days.day = days.day AND NOT EXISTS (
    SELECT FROM people
    WHERE people.site_id = people_days.site_id AND people.user_id = people_days.user_id
      AND people.bucket >= (people_days.day::timestamp AT TIME ZONE 'UTC')
      AND people.bucket < (people_days.day::timestamp AT TIME ZONE 'UTC') + interval '1 day');

-- name: update_people_days
-- Users of whom only bots' events are left of the changed days.
UPDATE people_days SET bot = true
FROM (SELECT DISTINCT site_id, (bucket AT TIME ZONE 'UTC')::date AS day FROM changed) AS days
WHERE people_days.site_id = days.site_id AND people_days.day = days.day AND NOT people_days.bot
  AND people_days.site_id IN (SELECT site_id FROM bot_sites) AND NOT EXISTS (
    SELECT FROM people
    WHERE people.site_id = people_days.site_id AND people.user_id = people_days.user_id AND NOT people.bot
      AND people.bucket >= (people_days.day::timestamp AT TIME ZONE 'UTC')
      AND people.bucket < (people_days.day::timestamp AT TIME ZONE 'UTC') + interval '1 day');

-- name: links
-- Select the ids that removed events joined to others.
SELECT identities.site_id, identities.user_id FROM identities
JOIN removed ON removed.site_id = identities.site_id AND removed.event_id = identities.event_id
  AND removed.timestamp = identities.linked_at;

-- name: select_sites
-- Select the events of some sites between two instants.
CREATE TEMP TABLE removed ON COMMIT DROP AS
SELECT site_id, event_id, timestamp, session_id FROM events
WHERE timestamp >= '{first}' AND timestamp < '{end}' AND site_id IN ({sites});

-- name: record_purge
-- Record the removal as a purge of each site, so that `verify` can account for it.
INSERT INTO purges SELECT $1, $2, count(*), site_id FROM removed GROUP BY site_id;

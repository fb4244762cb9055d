-- Remove events by what they are: those of an import. `removed` has the keys of the events of one step.

-- name: imports
-- Sum up what is stored of each import.
SELECT import_id, site_id, count(*), epoch_us(min(timestamp)), epoch_us(max(timestamp)), epoch_us(min(received_at)),
       epoch_us(max(received_at))
FROM (
    SELECT json_extract_string(properties, '/$import') AS import_id, site_id, timestamp, received_at
    FROM events WHERE contains(properties, '"$import"')
)
WHERE import_id IS NOT NULL AND ($import_id IS NULL OR import_id = $import_id)
GROUP BY import_id, site_id ORDER BY max(received_at) DESC, import_id, site_id;

-- name: removals
SELECT epoch_us(removed_at), subject, site_id, events FROM removals
WHERE kind = 'import' AND subject = $import_id ORDER BY removed_at, site_id;

-- name: days
-- Count the events of an import by day.
SELECT epoch_us(date_trunc('day', timestamp)) AS day, count(*) FROM events
WHERE is_of_import(properties, $import_id) AND ($site_id IS NULL OR site_id = $site_id)
GROUP BY 1 ORDER BY 1;

-- name: select
-- Select the events of an import between two instants.
CREATE OR REPLACE TEMP TABLE removed AS
SELECT rowid AS row, site_id, event_id, name, timestamp, user_id, session_id FROM events
WHERE timestamp >= make_timestamp($first) AND timestamp < make_timestamp($end)
  AND is_of_import(properties, $import_id) AND ($site_id IS NULL OR site_id = $site_id);

-- name: record
-- Record the removal, so that `verify` can account for it.
INSERT INTO removals
SELECT make_timestamp($now), 'import', $import_id, site_id, count(*) FROM removed GROUP BY site_id;

-- name: delete_events
DELETE FROM events WHERE rowid IN (SELECT row FROM removed);

-- name: buckets
-- Select the quarter hours whose rollups change.
CREATE OR REPLACE TEMP TABLE changed AS
SELECT DISTINCT site_id, time_bucket(INTERVAL 15 MINUTES, timestamp) AS bucket FROM removed;

-- name: delete_rollup
DELETE FROM rollup USING changed WHERE changed.site_id = rollup.site_id AND changed.bucket = rollup.bucket;

-- name: insert_rollup
-- Count these quarter hours again.
INSERT INTO rollup
SELECT events.site_id, changed.bucket, name, source, count(*), max(received_at), is_bot(properties)
FROM events JOIN changed
  ON changed.site_id = events.site_id AND changed.bucket = time_bucket(INTERVAL 15 MINUTES, events.timestamp)
WHERE timestamp >= make_timestamp($first) AND timestamp < make_timestamp($end)
GROUP BY ALL;

-- name: delete_people
DELETE FROM people USING changed WHERE changed.site_id = people.site_id AND changed.bucket = people.bucket;

-- name: insert_people
INSERT INTO people
SELECT events.site_id, changed.bucket, user_id, bool_and(is_bot(properties))
FROM events JOIN changed
  ON changed.site_id = events.site_id AND changed.bucket = time_bucket(INTERVAL 15 MINUTES, events.timestamp)
WHERE user_id IS NOT NULL AND timestamp >= make_timestamp($first) AND timestamp < make_timestamp($end)
GROUP BY ALL;

-- name: links
-- Select the ids that removed events joined to others.
SELECT identities.site_id, identities.user_id FROM identities
JOIN removed ON removed.site_id = identities.site_id AND removed.event_id = identities.event_id
  AND removed.timestamp = identities.linked_at;

-- name: select_cut
-- Select the sessions of the index that lose events.
CREATE OR REPLACE TEMP TABLE cut AS
SELECT DISTINCT site_id, session_id FROM removed WHERE session_id IS NOT NULL AND row < $watermark;

-- name: has_times
-- Whether times of removed events are materialized.
SELECT count(*) FROM removed WHERE user_id IS NOT NULL AND row < $watermark;

-- Watermarks: up to which event something that is built ahead has come. {table} is the watermark's own table.

-- name: read
-- Select the watermark, the identity of the last event below it, and the rules of what was built.
SELECT mark, site_id, event_id, timestamp, rules FROM {table};

-- name: is_in_place
-- Count 1 if the last event below the watermark still has its row id.
SELECT count(*) FROM events
WHERE rowid = $last AND site_id = $site_id AND event_id = $event_id AND timestamp = $timestamp;

-- name: find_event
-- Find the row id that the event has now.
SELECT min(rowid) FROM events WHERE site_id = $site_id AND event_id = $event_id AND timestamp = $timestamp;

-- name: reset
DELETE FROM {table};

-- name: set
-- Set the watermark after the last event with a row id below $below; without such an event it stays unset.
INSERT INTO {table}
SELECT rowid + 1, site_id, event_id, timestamp, $rules FROM events
WHERE rowid = (SELECT max(rowid) FROM events WHERE rowid < $below);

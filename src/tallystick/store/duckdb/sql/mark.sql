-- Marks: up to which event something that is made ahead of time has come. {table} is the mark's own.

-- name: read
SELECT mark, site_id, event_id, timestamp, rules FROM {table};

-- name: stands
-- Whether the last event below the mark still has its row number.
SELECT count(*) FROM events
WHERE rowid = $last AND site_id = $site_id AND event_id = $event_id AND timestamp = $timestamp;

-- name: found
-- Its row number now.
SELECT min(rowid) FROM events WHERE site_id = $site_id AND event_id = $event_id AND timestamp = $timestamp;

-- name: forget
DELETE FROM {table};

-- name: set
-- Behind the last event below a row number; none is set when there is none.
INSERT INTO {table}
SELECT rowid + 1, site_id, event_id, timestamp, $rules FROM events
WHERE rowid = (SELECT max(rowid) FROM events WHERE rowid < $below);

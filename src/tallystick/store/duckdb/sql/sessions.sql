-- The session index: its new events, and what materialization and retention do to its table `session_parts`.

-- name: new_events
-- Select the first row id after the watermark, the number of events from there on, and of all events.
SELECT min(rowid), count(*), (SELECT count(*) FROM events) FROM events WHERE rowid >= $watermark;

-- name: select_continued
-- Select the sessions of the index that the new sessions continue. The hash finds them with a fifth of the work.
CREATE OR REPLACE TEMP TABLE touched AS
SELECT rowid AS part, * FROM session_parts SEMI JOIN new_sessions USING (site_id, session_id)
WHERE rowid IN (SELECT rowid FROM session_parts SEMI JOIN new_sessions USING (session_hash));

-- name: delete_continued
-- Delete these from the index; they are inserted again together with what is new.
DELETE FROM session_parts WHERE rowid IN (SELECT part FROM touched);

-- name: delete_all
DELETE FROM session_parts;

-- name: select_cut
-- Select the sessions that began before the border of a purge and ended after it.
CREATE OR REPLACE TEMP TABLE cut AS
SELECT site_id, session_id FROM session_parts
WHERE started < make_timestamp($before) AND ended >= make_timestamp($before);

-- name: delete_purged
-- Delete the sessions that began before the border; `cut` has those that are inserted again.
DELETE FROM session_parts WHERE started < make_timestamp($before);

-- name: count
SELECT count(*) FROM session_parts;

-- name: entry_days
-- Select the days on which sessions have their entry event.
SELECT DISTINCT epoch_us(date_trunc('day', entry_at)) FROM session_parts ORDER BY 1;

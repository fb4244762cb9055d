-- Folding sessions: where the events behind the mark begin, and what housekeeping and retention do to the table.

-- name: behind
-- The first row behind the mark, and how many there are; how many there are in all.
SELECT min(rowid), count(*), (SELECT count(*) FROM events) FROM events WHERE rowid >= $mark;

-- name: touched
-- The folded sessions that a piece has more events of.
CREATE OR REPLACE TEMP TABLE touched AS
SELECT rowid AS part, * FROM session_parts SEMI JOIN piece USING (site_id, session_id)
WHERE rowid IN (SELECT rowid FROM session_parts SEMI JOIN piece USING (session_hash));

-- name: drop_touched
DELETE FROM session_parts WHERE rowid IN (SELECT part FROM touched);

-- name: forget_all
DELETE FROM session_parts;

-- name: cut
-- The sessions of which retention removed a part, or all.
CREATE OR REPLACE TEMP TABLE cut AS
SELECT site_id, session_id FROM session_parts WHERE started < make_timestamp($before) AND ended >= make_timestamp($before);

-- name: drop_cut
DELETE FROM session_parts WHERE started < make_timestamp($before);

-- name: count
SELECT count(*) FROM session_parts;

-- name: entry_days
SELECT DISTINCT epoch_us(date_trunc('day', entry_at)) FROM session_parts ORDER BY 1;

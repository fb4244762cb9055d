-- Erase a person: events, dead letters, joined ids and splits go, tombstones and a receipt stay.

-- name: begin
-- Make the commit wait for the disk, whatever the server's default is, and the statements take the time that they need.
SELECT CASE WHEN current_setting('synchronous_commit') IN ('off', 'local', 'remote_write')
            THEN set_config('synchronous_commit', 'on', true) END,
       set_config('statement_timeout', '0', true), set_config('idle_in_transaction_session_timeout', '0', true);

-- name: version
-- Count the erasures: a writer that knows the number knows the tombstones.
SELECT count(*) FROM erasures;

-- name: keys
SELECT key FROM erasure_keys ORDER BY id;

-- name: add_key
INSERT INTO erasure_keys (key) VALUES ($1);

-- name: tombstones
SELECT site_id, digest, (extract(epoch FROM erased_at) * 1000000)::bigint, (extract(epoch FROM until) * 1000000)::bigint,
       blocked
FROM tombstones;

-- name: found
-- Sum up the events of some ids.
SELECT count(*), count(DISTINCT session_id), min(timestamp), max(timestamp) FROM events
WHERE site_id = $1 AND user_id = ANY($2::text[]);

-- name: create_removed
CREATE TEMP TABLE removed ON COMMIT DROP AS
SELECT site_id, event_id, timestamp, session_id FROM events WITH NO DATA;

-- name: select
-- Select the events of some ids.
INSERT INTO removed
SELECT site_id, event_id, timestamp, session_id FROM events
WHERE site_id = $1 AND user_id = ANY($2::text[]);

-- name: record
-- Record the removal, so that `verify` can account for it.
INSERT INTO removals SELECT $1, 'erasure', $2, site_id, count(*) FROM removed GROUP BY site_id;

-- name: letters
-- Select dead letters that may have an event of a person: a page, by id.
SELECT id, index, original, code, attempts, state FROM dead_letters
WHERE id > $1 AND state <> 'erased' ORDER BY id LIMIT $2;

-- name: change_letter
UPDATE dead_letters SET original = $2, code = $3, reason = $4, state = $5 WHERE id = $1;

-- name: forget_splits
DELETE FROM splits WHERE site_id = $1 AND user_id = ANY($2::text[]);

-- name: add_tombstones
INSERT INTO tombstones (site_id, digest, erased_at, until, blocked) SELECT $1, unnest($2::text[]), $3, $4, $5;

-- name: add_erasure
INSERT INTO erasures (id, site_id, digest, erased_at, until, blocked, ids, events, sessions, dead_letters, first, last)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12);

-- name: erasures
-- Select receipts, the last one first: of one site or of all, and with one of some hashes or with any.
SELECT id, site_id, digest, erased_at, until, blocked, ids, events, sessions, dead_letters, first, last FROM erasures
WHERE ($1::text IS NULL OR site_id = $1) AND ($2::text[] IS NULL OR digest = ANY($2))
ORDER BY erased_at DESC, id;

-- name: verify
-- Select the users of sites with tombstones, with their earliest times.
SELECT site_id, user_id, (extract(epoch FROM min(timestamp)) * 1000000)::bigint,
       (extract(epoch FROM min(received_at)) * 1000000)::bigint
FROM events
WHERE user_id IS NOT NULL AND site_id IN (SELECT site_id FROM tombstones) GROUP BY site_id, user_id;

-- Erase a person: events, dead letters, joined ids and splits go, tombstones and a receipt stay.

-- name: version
-- Count the erasures: a writer that knows the number knows the tombstones.
SELECT count(*) FROM erasures;

-- name: keys
SELECT key FROM erasure_keys ORDER BY rowid;

-- name: add_key
INSERT INTO erasure_keys VALUES ($key);

-- name: tombstones
SELECT site_id, digest, epoch_us(erased_at), epoch_us(until), blocked FROM tombstones;

-- name: found
-- Sum up the events of some ids.
SELECT count(*), count(DISTINCT session_id), epoch_us(min(timestamp)), epoch_us(max(timestamp)) FROM events
WHERE site_id = $site AND user_id IN (SELECT unnest($users::VARCHAR[]));

-- name: select
-- Select the events of some ids.
CREATE OR REPLACE TEMP TABLE removed AS
SELECT rowid AS row, site_id, event_id, name, timestamp, user_id, session_id FROM events
WHERE site_id = $site AND user_id IN (SELECT unnest($users::VARCHAR[]));

-- name: record
-- Record the removal, so that `verify` can account for it.
INSERT INTO removals
SELECT make_timestamp($now), 'erasure', $id, site_id, count(*) FROM removed GROUP BY site_id;

-- name: letters
-- Select dead letters that may have an event of a person: a page, by id.
SELECT id, index, original, code, attempts, state FROM dead_letters
WHERE id > $after AND state <> 'erased' ORDER BY id LIMIT $limit;

-- name: change_letter
UPDATE dead_letters SET original = $original, code = $code, reason = $reason, state = $state WHERE id = $id;

-- name: forget_splits
DELETE FROM splits WHERE site_id = $site AND user_id IN (SELECT unnest($users::VARCHAR[]));

-- name: add_tombstones
INSERT INTO tombstones
SELECT $site, unnest($digests::VARCHAR[]), make_timestamp($erased_at), make_timestamp($until), $blocked;

-- name: add_erasure
INSERT INTO erasures VALUES (
    $id, $site, $digest, make_timestamp($erased_at), make_timestamp($until), $blocked, $ids, $events, $sessions,
    $dead_letters, make_timestamp($first::BIGINT), make_timestamp($last::BIGINT));

-- name: erasures
-- Select receipts, the last one first: of one site or of all, and with one of some hashes or with any.
SELECT id, site_id, digest, epoch_us(erased_at), epoch_us(until), blocked, ids, events, sessions, dead_letters,
       epoch_us(first), epoch_us(last)
FROM erasures
WHERE ($site IS NULL OR site_id = $site) AND ($digests::VARCHAR[] IS NULL OR digest IN (SELECT unnest($digests::VARCHAR[])))
ORDER BY erased_at DESC, id;

-- name: verify
-- Select the users of sites with tombstones, with their earliest times.
SELECT site_id, user_id, epoch_us(min(timestamp)), epoch_us(min(received_at)) FROM events
WHERE user_id IS NOT NULL AND site_id IN (SELECT DISTINCT site_id FROM tombstones) GROUP BY ALL;

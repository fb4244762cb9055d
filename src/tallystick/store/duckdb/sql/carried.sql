-- What `tallystick move` carries beside events: instants are microseconds since 1970. See store/carried.py.

-- name: day_events
-- Count the events of each site and UTC day.
SELECT site_id, epoch_us(date_trunc('day', timestamp)::TIMESTAMP) AS day, count(*) FROM events
GROUP BY ALL ORDER BY day, site_id;

-- name: select_identities
SELECT site_id, user_id, linked_to, epoch_us(linked_at), event_id::VARCHAR, person_id FROM identities;

-- name: select_splits
SELECT site_id, user_id, epoch_us(max(split_at)) FROM splits GROUP BY site_id, user_id;

-- name: select_purges
SELECT epoch_us(purged_at), epoch_us(before), events, site_id FROM purges ORDER BY purged_at;

-- name: select_removals
SELECT epoch_us(removed_at), kind, subject, site_id, events FROM removals ORDER BY removed_at;

-- name: select_retention_rules
SELECT site_id, days, keep_rollups FROM retention_rules;

-- name: select_kept_rollup
SELECT site_id, epoch_us(bucket), name, source, sum(events)::BIGINT, epoch_us(max(last_received)), bot
FROM kept_rollup GROUP BY site_id, bucket, name, source, bot;

-- name: select_kept_days
SELECT site_id, epoch_us(day), bot, users, epoch_us(kept_at) FROM kept_days;

-- name: select_erasure_keys
SELECT key FROM erasure_keys ORDER BY rowid;

-- name: select_tombstones
SELECT site_id, digest, epoch_us(erased_at), epoch_us(until), blocked FROM tombstones;

-- name: select_erasures
SELECT id, site_id, digest, epoch_us(erased_at), epoch_us(until), blocked, ids, events, sessions, dead_letters,
       epoch_us(first), epoch_us(last)
FROM erasures;

-- name: select_dead_letters
SELECT ingester, seq, index, original, code, reason, events, attempts, epoch_us(dead_at), state
FROM dead_letters ORDER BY id;

-- name: select_blocks
SELECT ingester, seq, count, stored, duplicates, conflicts, dead, epoch_us(loaded_at), erased FROM blocks
WHERE NOT starts_with(ingester, 'move-');

-- name: select_compacted
SELECT ingester, max(folded), sum(count)::BIGINT, sum(stored)::BIGINT, sum(duplicates)::BIGINT, sum(conflicts)::BIGINT,
       sum(dead)::BIGINT, epoch_us(max(loaded_at)), sum(erased)::BIGINT
FROM ledger_folded WHERE NOT starts_with(ingester, 'move-') GROUP BY ingester;

-- name: delete
DELETE FROM identities;
DELETE FROM splits;
DELETE FROM purges;
DELETE FROM removals;
DELETE FROM kept_rollup;
DELETE FROM kept_days;
DELETE FROM retention_rules;
DELETE FROM erasure_keys;
DELETE FROM tombstones;
DELETE FROM erasures;
DELETE FROM dead_letters;
DELETE FROM blocks;
DELETE FROM ledger_folded;

-- name: insert_identities
INSERT INTO identities
SELECT unnest($site_id::VARCHAR[]), unnest($user_id::VARCHAR[]), unnest($linked_to::VARCHAR[]),
       make_timestamp(unnest($linked_at::BIGINT[])), unnest($event_id::VARCHAR[])::UUID, unnest($person_id::VARCHAR[]);

-- name: insert_splits
INSERT INTO splits
SELECT unnest($site_id::VARCHAR[]), unnest($user_id::VARCHAR[]), make_timestamp(unnest($split_at::BIGINT[]));

-- name: insert_purges
INSERT INTO purges
SELECT make_timestamp(unnest($purged_at::BIGINT[])), make_timestamp(unnest($before::BIGINT[])),
       unnest($events::BIGINT[]), unnest($site_id::VARCHAR[]);

-- name: insert_removals
INSERT INTO removals
SELECT make_timestamp(unnest($removed_at::BIGINT[])), unnest($kind::VARCHAR[]), unnest($subject::VARCHAR[]),
       unnest($site_id::VARCHAR[]), unnest($events::BIGINT[]);

-- name: insert_retention_rules
INSERT INTO retention_rules
SELECT unnest($site_id::VARCHAR[]), unnest($days::INTEGER[]), unnest($keep_rollups::BOOLEAN[]);

-- name: insert_kept_rollup
INSERT INTO kept_rollup
SELECT unnest($site_id::VARCHAR[]), make_timestamp(unnest($bucket::BIGINT[])), unnest($name::VARCHAR[]),
       unnest($source::VARCHAR[]), unnest($events::BIGINT[]), make_timestamp(unnest($last_received::BIGINT[])),
       unnest($bot::BOOLEAN[]);

-- name: insert_kept_days
INSERT INTO kept_days
SELECT unnest($site_id::VARCHAR[]), make_timestamp(unnest($day::BIGINT[])), unnest($bot::BOOLEAN[]),
       unnest($users::BIGINT[]), make_timestamp(unnest($kept_at::BIGINT[]));

-- name: insert_erasure_keys
INSERT INTO erasure_keys SELECT unnest($key::VARCHAR[]);

-- name: insert_tombstones
INSERT INTO tombstones
SELECT unnest($site_id::VARCHAR[]), unnest($digest::VARCHAR[]), make_timestamp(unnest($erased_at::BIGINT[])),
       make_timestamp(unnest($until::BIGINT[])), unnest($blocked::BOOLEAN[]);

-- name: insert_erasures
INSERT INTO erasures
SELECT unnest($id::VARCHAR[]), unnest($site_id::VARCHAR[]), unnest($digest::VARCHAR[]),
       make_timestamp(unnest($erased_at::BIGINT[])), make_timestamp(unnest($until::BIGINT[])),
       unnest($blocked::BOOLEAN[]), unnest($ids::BIGINT[]), unnest($events::BIGINT[]), unnest($sessions::BIGINT[]),
       unnest($dead_letters::BIGINT[]), make_timestamp(unnest($first::BIGINT[])), make_timestamp(unnest($last::BIGINT[]));

-- name: insert_dead_letters
INSERT INTO dead_letters (ingester, seq, index, original, code, reason, events, attempts, dead_at, state)
SELECT unnest($ingester::VARCHAR[]), unnest($seq::BIGINT[]), unnest($index::INTEGER[]), unnest($original::BLOB[]),
       unnest($code::VARCHAR[]), unnest($reason::VARCHAR[]), unnest($events::BIGINT[]), unnest($attempts::INTEGER[]),
       make_timestamp(unnest($dead_at::BIGINT[])), unnest($state::VARCHAR[]);

-- name: insert_blocks
INSERT INTO blocks
SELECT unnest($ingester::VARCHAR[]), unnest($seq::BIGINT[]), unnest($count::BIGINT[]), unnest($stored::BIGINT[]),
       unnest($duplicates::BIGINT[]), unnest($conflicts::BIGINT[]), unnest($dead::BIGINT[]),
       make_timestamp(unnest($loaded_at::BIGINT[])), unnest($erased::BIGINT[]);

-- name: insert_compacted
INSERT INTO ledger_folded
SELECT unnest($ingester::VARCHAR[]), unnest($folded::BIGINT[]), unnest($count::BIGINT[]), unnest($stored::BIGINT[]),
       unnest($duplicates::BIGINT[]), unnest($conflicts::BIGINT[]), unnest($dead::BIGINT[]),
       make_timestamp(unnest($loaded_at::BIGINT[])), unnest($erased::BIGINT[]);

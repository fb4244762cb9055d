-- What `tallystick move` carries beside events: instants are microseconds since 1970. See store/carried.py.

-- name: day_events
-- Count the events of each site and UTC day.
SELECT site_id, (extract(epoch FROM day) * 1000000)::bigint, count(*) FROM (
    SELECT site_id, date_bin('1 day', timestamp, '2000-01-01Z') AS day FROM events
) AS days
GROUP BY site_id, day ORDER BY day, site_id;

-- name: select_identities
SELECT site_id, user_id, linked_to, (extract(epoch FROM linked_at) * 1000000)::bigint, event_id::text, person_id
FROM identities;

-- name: select_splits
SELECT site_id, user_id, (extract(epoch FROM max(split_at)) * 1000000)::bigint FROM splits GROUP BY site_id, user_id;

-- name: select_purges
SELECT (extract(epoch FROM purged_at) * 1000000)::bigint, (extract(epoch FROM before) * 1000000)::bigint, events,
       site_id
FROM purges ORDER BY purged_at;

-- name: select_removals
SELECT (extract(epoch FROM removed_at) * 1000000)::bigint, kind, subject, site_id, events
FROM removals ORDER BY removed_at;

-- name: select_retention_rules
SELECT site_id, days, keep_rollups FROM retention_rules;

-- name: select_kept_rollup
SELECT site_id, (extract(epoch FROM bucket) * 1000000)::bigint, name, source, sum(events)::bigint,
       (extract(epoch FROM max(last_received)) * 1000000)::bigint, bot
FROM kept_rollup GROUP BY site_id, bucket, name, source, bot;

-- name: select_kept_days
SELECT site_id, (extract(epoch FROM day) * 1000000)::bigint, bot, users, (extract(epoch FROM kept_at) * 1000000)::bigint
FROM kept_days;

-- name: select_erasure_keys
SELECT key FROM erasure_keys ORDER BY id;

-- name: select_tombstones
SELECT site_id, digest, (extract(epoch FROM erased_at) * 1000000)::bigint, (extract(epoch FROM until) * 1000000)::bigint, blocked
FROM tombstones;

-- name: select_erasures
SELECT id, site_id, digest, (extract(epoch FROM erased_at) * 1000000)::bigint, (extract(epoch FROM until) * 1000000)::bigint,
       blocked, ids, events, sessions, dead_letters, (extract(epoch FROM first) * 1000000)::bigint,
       (extract(epoch FROM last) * 1000000)::bigint
FROM erasures;

-- name: select_dead_letters
SELECT ingester, seq, index, original, code, reason, events, attempts, (extract(epoch FROM dead_at) * 1000000)::bigint,
       state
FROM dead_letters ORDER BY id;

-- name: select_blocks
SELECT ingester, seq, count, stored, duplicates, conflicts, dead, (extract(epoch FROM loaded_at) * 1000000)::bigint,
       erased
FROM blocks WHERE NOT starts_with(ingester, 'move-');

-- name: select_compacted
SELECT ingester, folded, count, stored, duplicates, conflicts, dead, (extract(epoch FROM loaded_at) * 1000000)::bigint,
       erased
FROM ledger_folded WHERE NOT starts_with(ingester, 'move-');

-- name: begin
-- Wait for batches, and make the commit wait for the disk, whatever the server's default is.
SELECT pg_advisory_xact_lock($1, $2),
       CASE WHEN current_setting('synchronous_commit') IN ('off', 'local', 'remote_write')
            THEN set_config('synchronous_commit', 'on', true) END,
       set_config('statement_timeout', '0', true), set_config('idle_in_transaction_session_timeout', '0', true);

-- name: delete
-- Delete all rows of these kinds. The identities of the dedupe window are collected anew from the events by the next
-- batch: a move fills them without a window.
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
TRUNCATE recent_ids, recent_state;

-- name: insert_identities
INSERT INTO identities (site_id, user_id, linked_to, linked_at, event_id, person_id)
SELECT site_id, user_id, linked_to, 'epoch'::timestamptz + linked_at * interval '1 microsecond', event_id::uuid, person_id
FROM unnest($1::text[], $2::text[], $3::text[], $4::bigint[], $5::text[], $6::text[])
    AS carried (site_id, user_id, linked_to, linked_at, event_id, person_id);

-- name: insert_splits
INSERT INTO splits (site_id, user_id, split_at)
SELECT site_id, user_id, 'epoch'::timestamptz + split_at * interval '1 microsecond'
FROM unnest($1::text[], $2::text[], $3::bigint[]) AS carried (site_id, user_id, split_at);

-- name: insert_purges
INSERT INTO purges (purged_at, before, events, site_id)
SELECT 'epoch'::timestamptz + purged_at * interval '1 microsecond', 'epoch'::timestamptz + before * interval '1 microsecond',
       events, site_id
FROM unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::text[]) AS carried (purged_at, before, events, site_id);

-- name: insert_removals
INSERT INTO removals (removed_at, kind, subject, site_id, events)
SELECT 'epoch'::timestamptz + removed_at * interval '1 microsecond', kind, subject, site_id, events
FROM unnest($1::bigint[], $2::text[], $3::text[], $4::text[], $5::bigint[])
    AS carried (removed_at, kind, subject, site_id, events);

-- name: insert_retention_rules
INSERT INTO retention_rules (site_id, days, keep_rollups)
SELECT site_id, days, keep_rollups
FROM unnest($1::text[], $2::integer[], $3::boolean[]) AS carried (site_id, days, keep_rollups);

-- name: insert_kept_rollup
INSERT INTO kept_rollup (site_id, bucket, name, source, events, last_received, bot)
SELECT site_id, 'epoch'::timestamptz + bucket * interval '1 microsecond', name, source, events,
       'epoch'::timestamptz + last_received * interval '1 microsecond', bot
FROM unnest($1::text[], $2::bigint[], $3::text[], $4::text[], $5::bigint[], $6::bigint[], $7::boolean[])
    AS carried (site_id, bucket, name, source, events, last_received, bot);

-- name: insert_kept_days
INSERT INTO kept_days (site_id, day, bot, users, kept_at)
SELECT site_id, 'epoch'::timestamptz + day * interval '1 microsecond', bot, users,
       'epoch'::timestamptz + kept_at * interval '1 microsecond'
FROM unnest($1::text[], $2::bigint[], $3::boolean[], $4::bigint[], $5::bigint[])
    AS carried (site_id, day, bot, users, kept_at);

-- name: insert_erasure_keys
INSERT INTO erasure_keys (key)
SELECT key FROM unnest($1::text[]) WITH ORDINALITY AS carried (key, place) ORDER BY place;

-- name: insert_tombstones
INSERT INTO tombstones (site_id, digest, erased_at, until, blocked)
SELECT site_id, digest, 'epoch'::timestamptz + erased_at * interval '1 microsecond',
       'epoch'::timestamptz + until * interval '1 microsecond', blocked
FROM unnest($1::text[], $2::text[], $3::bigint[], $4::bigint[], $5::boolean[])
    AS carried (site_id, digest, erased_at, until, blocked);

-- name: insert_erasures
INSERT INTO erasures (id, site_id, digest, erased_at, until, blocked, ids, events, sessions, dead_letters, first, last)
SELECT id, site_id, digest, 'epoch'::timestamptz + erased_at * interval '1 microsecond',
       'epoch'::timestamptz + until * interval '1 microsecond', blocked, ids, events, sessions, dead_letters,
       'epoch'::timestamptz + first * interval '1 microsecond', 'epoch'::timestamptz + last * interval '1 microsecond'
FROM unnest($1::text[], $2::text[], $3::text[], $4::bigint[], $5::bigint[], $6::boolean[], $7::bigint[], $8::bigint[],
            $9::bigint[], $10::bigint[], $11::bigint[], $12::bigint[])
    AS carried (id, site_id, digest, erased_at, until, blocked, ids, events, sessions, dead_letters, first, last);

-- name: insert_dead_letters
INSERT INTO dead_letters (ingester, seq, index, original, code, reason, events, attempts, dead_at, state)
SELECT ingester, seq, index, original, code, reason, events, attempts,
       'epoch'::timestamptz + dead_at * interval '1 microsecond', state
FROM unnest($1::text[], $2::bigint[], $3::integer[], $4::bytea[], $5::text[], $6::text[], $7::bigint[], $8::integer[],
            $9::bigint[], $10::text[]) WITH ORDINALITY
    AS carried (ingester, seq, index, original, code, reason, events, attempts, dead_at, state, place)
ORDER BY place;

-- name: insert_blocks
INSERT INTO blocks (ingester, seq, count, stored, duplicates, conflicts, dead, loaded_at, erased)
SELECT ingester, seq, count, stored, duplicates, conflicts, dead,
       'epoch'::timestamptz + loaded_at * interval '1 microsecond', erased
FROM unnest($1::text[], $2::bigint[], $3::bigint[], $4::bigint[], $5::bigint[], $6::bigint[], $7::bigint[], $8::bigint[],
            $9::bigint[])
    AS carried (ingester, seq, count, stored, duplicates, conflicts, dead, loaded_at, erased);

-- name: insert_compacted
INSERT INTO ledger_folded (ingester, folded, count, stored, duplicates, conflicts, dead, loaded_at, erased)
SELECT ingester, folded, count, stored, duplicates, conflicts, dead,
       'epoch'::timestamptz + loaded_at * interval '1 microsecond', erased
FROM unnest($1::text[], $2::bigint[], $3::bigint[], $4::bigint[], $5::bigint[], $6::bigint[], $7::bigint[], $8::bigint[],
            $9::bigint[])
    AS carried (ingester, folded, count, stored, duplicates, conflicts, dead, loaded_at, erased);

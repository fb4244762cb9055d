-- Ledger, verify, dead letters, retention and compaction.

-- name: ledger_compacted
-- Select the sums of the compacted blocks. `ledger_folded` and `folded` are historical names of the compacted ledger.
SELECT ingester, folded, count, stored, duplicates, conflicts, dead, erased FROM ledger_folded;

-- name: ledger_blocks
-- Sum up the blocks of each ingester: first and last seq, how many, and their sums.
SELECT ingester, min(seq), max(seq), count(*), sum(count)::bigint, sum(stored)::bigint, sum(duplicates)::bigint,
       sum(conflicts)::bigint, sum(dead)::bigint, sum(erased)::bigint
FROM blocks GROUP BY ingester;

-- name: ledger_seqs
-- Select an ingester's seqs. Only run if they have gaps: otherwise first and last say it all.
SELECT seq FROM blocks WHERE ingester = $1 ORDER BY seq;

-- name: receipt
-- Select one block's entry.
SELECT ingester, seq, count, stored, duplicates, conflicts, dead, loaded_at, erased
FROM blocks WHERE ingester = $1 AND seq = $2;

-- name: verify_ledger_adds_up
-- Count blocks whose count is not the sum of what became of their events.
SELECT count(*) FROM blocks WHERE count <> stored + duplicates + dead + erased;

-- name: verify_stored
-- Count the events that the ledger has as stored, that are there, and that were removed (too old, of an import that was
-- taken back, of an erased person).
SELECT ((SELECT coalesce(sum(stored), 0) FROM blocks) + (SELECT coalesce(sum(stored), 0) FROM ledger_folded))::bigint,
       (SELECT count(*) FROM events),
       ((SELECT coalesce(sum(events), 0) FROM purges) + (SELECT coalesce(sum(events), 0) FROM removals))::bigint;

-- name: verify_dead
-- Count the events that the ledger has as dead, and that the dead letters hold.
SELECT ((SELECT coalesce(sum(dead), 0) FROM blocks) + (SELECT coalesce(sum(dead), 0) FROM ledger_folded))::bigint,
       (SELECT coalesce(sum(events), 0) FROM dead_letters)::bigint;

-- name: verify_days
-- Select the days of the rollups; those of events are their partitions. The checks below go day by day.
SELECT DISTINCT date_bin('1 day', bucket, '2000-01-01Z') FROM rollup
UNION SELECT DISTINCT date_bin('1 day', bucket, '2000-01-01Z') FROM people
UNION SELECT DISTINCT day::timestamptz FROM people_days;

-- name: verify_twice
-- Count events stored beside one with the same identity and time, which must never happen.
SELECT coalesce(sum(copies - 1), 0)::bigint FROM (
    SELECT count(*) AS copies FROM events WHERE timestamp >= $1 AND timestamp < $1::timestamptz + interval '1 day'
    GROUP BY site_id, event_id, timestamp HAVING count(*) > 1) AS repeated;

-- name: verify_rollup
-- Count rollup buckets that differ from the raw events.
SELECT count(*) FROM (
    SELECT site_id, bucket, name, source, bot, sum(events) AS events FROM rollup
    WHERE bucket >= $1 AND bucket < $1::timestamptz + interval '1 day' GROUP BY 1, 2, 3, 4, 5
) AS kept FULL JOIN (
    SELECT site_id, date_bin('15 minutes', timestamp, '2000-01-01Z') AS bucket, name, source, is_bot(properties) AS bot,
           count(*) AS events
    FROM events
    WHERE timestamp >= $1 AND timestamp < $1::timestamptz + interval '1 day' GROUP BY 1, 2, 3, 4, 5
) AS expected USING (site_id, bucket, name, source, bot)
WHERE kept.events IS DISTINCT FROM expected.events;

-- name: verify_people
-- Count rows of the rollup of users that differ from the raw events. `people` is the table's historical name.
SELECT count(*) FROM (
    SELECT site_id, bucket, user_id, bool_and(bot) AS bot FROM people
    WHERE bucket >= $1 AND bucket < $1::timestamptz + interval '1 day' GROUP BY 1, 2, 3
) AS kept FULL JOIN (
    SELECT site_id, date_bin('15 minutes', timestamp, '2000-01-01Z') AS bucket, user_id, bool_and(is_bot(properties)) AS bot
    FROM events
    WHERE user_id IS NOT NULL AND timestamp >= $1 AND timestamp < $1::timestamptz + interval '1 day' GROUP BY 1, 2, 3
) AS expected ON (kept.site_id, kept.bucket, kept.user_id) = (expected.site_id, expected.bucket, expected.user_id)
WHERE kept.bot IS DISTINCT FROM expected.bot;

-- name: verify_people_days
-- Count rows of the daily rollup of users that differ from the raw events.
SELECT count(*) FROM (
    SELECT site_id, user_id, bot FROM people_days WHERE day = ($1::timestamptz AT TIME ZONE 'UTC')::date
) AS kept FULL JOIN (
    SELECT site_id, user_id, bool_and(is_bot(properties)) AS bot FROM events
    WHERE user_id IS NOT NULL AND timestamp >= $1 AND timestamp < $1::timestamptz + interval '1 day' GROUP BY 1, 2
) AS expected ON (kept.site_id, kept.user_id) = (expected.site_id, expected.user_id)
WHERE kept.bot IS DISTINCT FROM expected.bot;

-- name: dead_letters
-- Select a page of dead letters, optionally of one state.
SELECT id, ingester, seq, index, original, code, reason, events, attempts, dead_at, state FROM dead_letters
WHERE id > $1 AND ($2::text IS NULL OR state = $2) ORDER BY id LIMIT $3;

-- name: dead_letter
SELECT id, ingester, seq, index, original, code, reason, events, attempts, dead_at, state FROM dead_letters
WHERE id = $1;

-- name: mark_dead
-- An erased letter stays erased: a replay may have read it before.
UPDATE dead_letters SET state = $2 WHERE id = ANY($1::bigint[]) AND state NOT IN ($2, 'erased');

-- name: purge_count
-- Count the events that a purge removes from a day.
SELECT count(*) FROM events WHERE timestamp >= $1 AND timestamp < $2;

-- name: purge_record
-- Record a purge, so that `verify` can account for the removed events.
INSERT INTO purges VALUES ($1, $2, $3, NULL);

-- name: purge_events
-- Delete the events before the border of the day that it cuts; whole days go with their partition.
DELETE FROM events WHERE timestamp >= $1 AND timestamp < $2;

-- name: purge_rollup
DELETE FROM rollup WHERE bucket >= $1 AND bucket < $2;

-- name: purge_people
DELETE FROM people WHERE bucket >= $1 AND bucket < $2;

-- name: purge_people_days
-- Delete from the day that begins at $1 the users that are not in the rest of it, which begins at $2.
DELETE FROM people_days WHERE day = ($1::timestamptz AT TIME ZONE 'UTC')::date AND NOT EXISTS (
    SELECT FROM people WHERE people.site_id = people_days.site_id AND people.user_id = people_days.user_id
      AND people.bucket >= $2 AND people.bucket < $1::timestamptz + interval '1 day');

-- name: purge_people_days_bots
-- Users of whom only bots' events are left of that day.
UPDATE people_days SET bot = true
WHERE day = ($1::timestamptz AT TIME ZONE 'UTC')::date AND NOT bot AND site_id IN (SELECT site_id FROM bot_sites)
  AND NOT EXISTS (
    SELECT FROM people WHERE people.site_id = people_days.site_id AND people.user_id = people_days.user_id
      AND NOT people.bot AND people.bucket >= $2 AND people.bucket < $1::timestamptz + interval '1 day');

-- name: sites_of_day
-- Select the sites that have events between two instants: a look into the index for each.
WITH RECURSIVE found AS (
    (SELECT site_id FROM events WHERE timestamp >= $1 AND timestamp < $2 ORDER BY site_id LIMIT 1)
    UNION ALL
    SELECT (
        SELECT site_id FROM events
        WHERE timestamp >= $1 AND timestamp < $2 AND site_id > found.site_id ORDER BY site_id LIMIT 1
    )
    FROM found WHERE found.site_id IS NOT NULL
)
SELECT site_id FROM found WHERE site_id IS NOT NULL;

-- name: retention_rules
SELECT site_id, days, keep_rollups FROM retention_rules ORDER BY site_id;

-- name: set_retention_rule
INSERT INTO retention_rules VALUES ($1, $2, $3)
ON CONFLICT (site_id) DO UPDATE SET days = excluded.days, keep_rollups = excluded.keep_rollups;

-- name: clear_retention_rule
DELETE FROM retention_rules WHERE site_id = $1;

-- name: purge_recent
-- Delete the identities of purged events: one that is sent again is a new event, whatever its time.
DELETE FROM recent_ids WHERE timestamp < $1;

-- name: delta_day
-- Select the oldest day of a rollup to which more than half as many rows were appended as its compaction left.
SELECT added.name, added.day
FROM (SELECT name, day, sum(rows) AS rows FROM appended GROUP BY name, day) AS added
LEFT JOIN compactions AS last ON last.name = added.name AND last.day = added.day
WHERE added.rows > 0.5 * coalesce(last.rows, 0) + 10000
ORDER BY added.day LIMIT 1;

-- name: compact_rollup
-- Replace a day's deltas of the rollup by their sums.
WITH gone AS (
    DELETE FROM rollup WHERE bucket >= $1 AND bucket < $1::timestamptz + interval '1 day' RETURNING *)
INSERT INTO rollup
SELECT site_id, bucket, name, source, sum(events)::bigint, max(last_received), bot FROM gone GROUP BY 1, 2, 3, 4, 7
ORDER BY 1, 2;

-- name: compact_people
-- Replace a day's rows by the distinct ones.
WITH gone AS (
    DELETE FROM people WHERE bucket >= $1 AND bucket < $1::timestamptz + interval '1 day' RETURNING *)
INSERT INTO people
SELECT site_id, bucket, user_id, bool_and(bot) FROM gone GROUP BY 1, 2, 3 ORDER BY 1, 2, 3;

-- name: forget_appended
DELETE FROM appended WHERE name = $1 AND day = $2;

-- name: record_compaction
INSERT INTO compactions VALUES ($1, $2, $3) ON CONFLICT (name, day) DO UPDATE SET rows = excluded.rows;

-- name: compact_ledger
-- Replace each ingester's first blocks, without a gap before them and all loaded before $1, by their sums. Once a block
-- is missing, `expected_seq` stays below `seq`.
WITH expected_blocks AS (
    SELECT blocks.ingester, blocks.seq,
           coalesce(ledger_folded.folded, 0)
               + row_number() OVER (PARTITION BY blocks.ingester ORDER BY blocks.seq) - 1 AS expected_seq
    FROM blocks LEFT JOIN ledger_folded USING (ingester) WHERE blocks.loaded_at < $1
), deleted AS (
    DELETE FROM blocks USING expected_blocks AS expected
    WHERE blocks.ingester = expected.ingester AND blocks.seq = expected.seq AND expected.seq = expected.expected_seq
    RETURNING blocks.*
)
INSERT INTO ledger_folded AS kept
SELECT ingester, max(seq) + 1, sum(count)::bigint, sum(stored)::bigint, sum(duplicates)::bigint, sum(conflicts)::bigint,
       sum(dead)::bigint, max(loaded_at), sum(erased)::bigint
FROM deleted GROUP BY ingester
ON CONFLICT (ingester) DO UPDATE SET
    folded = excluded.folded, count = kept.count + excluded.count, stored = kept.stored + excluded.stored,
    duplicates = kept.duplicates + excluded.duplicates, conflicts = kept.conflicts + excluded.conflicts,
    dead = kept.dead + excluded.dead, erased = kept.erased + excluded.erased,
    loaded_at = greatest(kept.loaded_at, excluded.loaded_at);

-- name: forget_rollup
-- Delete a day's counts; they are counted again after.
DELETE FROM rollup WHERE bucket >= $1 AND bucket < $1::timestamptz + interval '1 day' AND ($2::text IS NULL OR site_id = $2);

-- name: forget_people
-- Delete a day's users; they are selected again after.
DELETE FROM people WHERE bucket >= $1 AND bucket < $1::timestamptz + interval '1 day' AND ($2::text IS NULL OR site_id = $2);

-- name: forget_people_days
DELETE FROM people_days WHERE day = ($1::timestamptz AT TIME ZONE 'UTC')::date AND ($2::text IS NULL OR site_id = $2);

-- name: count_rollup
-- Count a day's events, as the transaction that stores events does.
INSERT INTO rollup
SELECT site_id, date_bin('15 minutes', timestamp, '2000-01-01Z') AS bucket, name, source, count(*), max(received_at),
       is_bot(properties)
FROM events
WHERE timestamp >= $1 AND timestamp < $1::timestamptz + interval '1 day' AND ($2::text IS NULL OR site_id = $2)
GROUP BY 1, 2, 3, 4, 7 ORDER BY 1, 2;

-- name: count_people
-- Select a day's users of each quarter hour.
INSERT INTO people
SELECT site_id, date_bin('15 minutes', timestamp, '2000-01-01Z') AS bucket, user_id, bool_and(is_bot(properties))
FROM events
WHERE user_id IS NOT NULL AND timestamp >= $1 AND timestamp < $1::timestamptz + interval '1 day' AND ($2::text IS NULL OR site_id = $2)
GROUP BY 1, 2, 3 ORDER BY 1, 2, 3;

-- name: count_people_days
-- Select a day's users.
INSERT INTO people_days
SELECT site_id, ($1::timestamptz AT TIME ZONE 'UTC')::date, user_id, bool_and(is_bot(properties)) FROM events
WHERE user_id IS NOT NULL AND timestamp >= $1 AND timestamp < $1::timestamptz + interval '1 day' AND ($2::text IS NULL OR site_id = $2)
GROUP BY 1, 2, 3 ORDER BY 1, 3;

-- name: rows_rollup
SELECT count(*) FROM rollup WHERE bucket >= $1 AND bucket < $1::timestamptz + interval '1 day';

-- name: rows_people
SELECT count(*) FROM people WHERE bucket >= $1 AND bucket < $1::timestamptz + interval '1 day';

-- name: counted_events
-- Count the events of a day.
SELECT count(*) FROM events WHERE timestamp >= $1 AND timestamp < $1::timestamptz + interval '1 day' AND ($2::text IS NULL OR site_id = $2);

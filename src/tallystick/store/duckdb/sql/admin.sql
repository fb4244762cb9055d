-- Ledger, verify, dead letters, retention, compaction and backups.

-- name: ledger_compacted
-- Select the sums of the compacted blocks. `ledger_folded` and `folded` are historical names of the compacted ledger.
SELECT ingester, max(folded), sum(count)::BIGINT, sum(stored)::BIGINT, sum(duplicates)::BIGINT, sum(conflicts)::BIGINT,
       sum(dead)::BIGINT, sum(erased)::BIGINT
FROM ledger_folded GROUP BY ingester;

-- name: ledger_blocks
-- Sum up the blocks of each ingester. List their seqs only if they have gaps: otherwise first and last say it all.
SELECT ingester,
       CASE WHEN max(seq) - min(seq) + 1 <> count(*) THEN list(seq ORDER BY seq) ELSE [] END AS seqs,
       min(seq) AS first, max(seq) AS last, count(*) AS blocks,
       sum(count)::BIGINT, sum(stored)::BIGINT, sum(duplicates)::BIGINT, sum(conflicts)::BIGINT, sum(dead)::BIGINT,
       sum(erased)::BIGINT
FROM blocks GROUP BY ingester;

-- name: receipt
-- Select one block's entry.
SELECT ingester, seq, count, stored, duplicates, conflicts, dead, epoch_us(loaded_at), erased
FROM blocks WHERE ingester = ? AND seq = ?;

-- name: verify_tables
-- Select all tables of the store.
SELECT table_name FROM duckdb_tables() WHERE database_name = 'tallystick' ORDER BY 1;

-- name: verify_ledger_adds_up
-- Count blocks whose count is not the sum of what became of their events.
SELECT count(*) FROM blocks WHERE count <> stored + duplicates + dead + erased;

-- name: verify_blocks_twice
-- Count blocks that are in the ledger more than once.
SELECT count(*) FROM (SELECT 1 FROM blocks GROUP BY ingester, seq HAVING count(*) > 1);

-- name: verify_stored
-- Count the events that the ledger has as stored, that are there, and that were removed (too old, of an import that was
-- taken back, of an erased person).
SELECT (SELECT coalesce(sum(stored), 0) FROM blocks) + (SELECT coalesce(sum(stored), 0) FROM ledger_folded),
       (SELECT count(*) FROM events),
       ((SELECT coalesce(sum(events), 0) FROM purges) + (SELECT coalesce(sum(events), 0) FROM removals));

-- name: verify_dead
-- Count the events that the ledger has as dead, and that the dead letters hold.
SELECT (SELECT coalesce(sum(dead), 0) FROM blocks) + (SELECT coalesce(sum(dead), 0) FROM ledger_folded),
       (SELECT coalesce(sum(events), 0) FROM dead_letters);

-- name: verify_days
-- Select the days for the checks below: they go day by day, so that their memory does not grow with the store.
SELECT DISTINCT epoch_us(day) FROM (
    SELECT date_trunc('day', timestamp) AS day FROM events
    UNION ALL SELECT date_trunc('day', bucket) FROM rollup
    UNION ALL SELECT date_trunc('day', bucket) FROM people
) ORDER BY 1;

-- name: verify_twice
-- Count events stored beside one with the same identity and time, which must never happen.
SELECT coalesce(sum(copies - 1), 0)::BIGINT FROM (
    SELECT count(*) AS copies FROM events
    WHERE timestamp >= make_timestamp($day) AND timestamp < make_timestamp($day) + INTERVAL 1 DAY
    GROUP BY site_id, event_id, timestamp HAVING count(*) > 1);

-- name: verify_rollup
-- Count rollup buckets that differ from the raw events.
SELECT count(*) FROM (
    SELECT site_id, bucket, name, source, bot, sum(events) AS events FROM rollup
    WHERE bucket >= make_timestamp($day) AND bucket < make_timestamp($day) + INTERVAL 1 DAY GROUP BY ALL
) AS kept FULL JOIN (
    SELECT site_id, time_bucket(INTERVAL 15 MINUTES, timestamp) AS bucket, name, source, is_bot(properties) AS bot,
           count(*) AS events
    FROM events
    WHERE timestamp >= make_timestamp($day) AND timestamp < make_timestamp($day) + INTERVAL 1 DAY GROUP BY ALL
) AS expected USING (site_id, bucket, name, source, bot)
WHERE kept.events IS DISTINCT FROM expected.events;

-- name: verify_people
-- Count rows of the rollup of users that differ from the raw events. `people` is the table's historical name.
SELECT count(*) FROM (
    SELECT site_id, bucket, user_id, bool_and(bot) AS bot FROM people
    WHERE bucket >= make_timestamp($day) AND bucket < make_timestamp($day) + INTERVAL 1 DAY GROUP BY ALL
) AS kept FULL JOIN (
    SELECT site_id, time_bucket(INTERVAL 15 MINUTES, timestamp) AS bucket, user_id, bool_and(is_bot(properties)) AS bot
    FROM events
    WHERE user_id IS NOT NULL AND timestamp >= make_timestamp($day)
      AND timestamp < make_timestamp($day) + INTERVAL 1 DAY GROUP BY ALL
) AS expected USING (site_id, bucket, user_id)
WHERE kept.bot IS DISTINCT FROM expected.bot;

-- name: dead_letters
-- Select a page of dead letters, optionally of one state.
SELECT id, ingester, seq, index, original, code, reason, events, attempts, epoch_us(dead_at), state FROM dead_letters
WHERE id > $after AND ($state::VARCHAR IS NULL OR state = $state) ORDER BY id LIMIT $limit;

-- name: dead_letter
SELECT id, ingester, seq, index, original, code, reason, events, attempts, epoch_us(dead_at), state FROM dead_letters
WHERE id = ?;

-- name: mark_dead
-- An erased letter stays erased: a replay may have read it before.
UPDATE dead_letters SET state = $state WHERE id IN (SELECT unnest($ids::BIGINT[])) AND state NOT IN ($state, 'erased');

-- name: purge_count
-- Count the events that a purge removes, of one site or of all.
SELECT count(*) FROM events WHERE timestamp < make_timestamp($before) AND ($site::VARCHAR IS NULL OR site_id = $site);

-- name: purge_record
-- Record a purge, so that `verify` can account for the removed events.
INSERT INTO purges VALUES (make_timestamp($now), make_timestamp($before), $events, $site);

-- name: purge_events
DELETE FROM events WHERE timestamp < make_timestamp($before) AND ($site::VARCHAR IS NULL OR site_id = $site);

-- name: purge_rollup
DELETE FROM rollup WHERE bucket < make_timestamp($before) AND ($site::VARCHAR IS NULL OR site_id = $site);

-- name: purge_people
DELETE FROM people WHERE bucket < make_timestamp($before) AND ($site::VARCHAR IS NULL OR site_id = $site);

-- name: old_days
-- Count the events before an instant by site and day.
SELECT site_id, epoch_us(date_trunc('day', timestamp)::TIMESTAMP) AS day, count(*) FROM events
WHERE timestamp < make_timestamp($before) GROUP BY ALL ORDER BY day, site_id;

-- name: retention_rules
SELECT site_id, days, keep_rollups FROM retention_rules ORDER BY site_id;

-- name: clear_retention_rule
DELETE FROM retention_rules WHERE site_id = $site;

-- name: set_retention_rule
INSERT INTO retention_rules VALUES ($site, $days, $keep_rollups);

-- name: delta_days_rollup
-- Select days of the rollup that have many more rows than their last compaction left.
SELECT epoch_us(now.day), now.rows
FROM (SELECT date_trunc('day', bucket) AS day, count(*) AS rows FROM rollup GROUP BY 1) AS now
LEFT JOIN (SELECT day, rows FROM compactions WHERE name = 'rollup') AS last ON last.day = now.day
WHERE now.rows > 1.5 * coalesce(last.rows, 0) + 10000;

-- name: delta_days_people
-- Select days of the rollup of users that have many more rows than their last compaction left.
SELECT epoch_us(now.day), now.rows
FROM (SELECT date_trunc('day', bucket) AS day, count(*) AS rows FROM people GROUP BY 1) AS now
LEFT JOIN (SELECT day, rows FROM compactions WHERE name = 'people') AS last ON last.day = now.day
WHERE now.rows > 1.5 * coalesce(last.rows, 0) + 10000;

-- name: compact_rollup
-- Sum up a day's deltas of the rollup.
CREATE OR REPLACE TEMP TABLE compacted AS
SELECT site_id, bucket, name, source, sum(events)::BIGINT AS events, max(last_received) AS last_received, bot
FROM rollup WHERE bucket >= make_timestamp($day) AND bucket < make_timestamp($day) + INTERVAL 1 DAY GROUP BY ALL;

-- name: compact_people
-- Select a day's users, each bucket's once.
CREATE OR REPLACE TEMP TABLE compacted AS
SELECT site_id, bucket, user_id, bool_and(bot) AS bot
FROM people WHERE bucket >= make_timestamp($day) AND bucket < make_timestamp($day) + INTERVAL 1 DAY GROUP BY ALL;

-- name: replace_rollup
-- Delete a day's deltas; their sums are inserted after.
DELETE FROM rollup WHERE bucket >= make_timestamp($day) AND bucket < make_timestamp($day) + INTERVAL 1 DAY;

-- name: replace_people
-- Delete a day's rows; the distinct ones are inserted after.
DELETE FROM people WHERE bucket >= make_timestamp($day) AND bucket < make_timestamp($day) + INTERVAL 1 DAY;

-- name: forget_compaction
DELETE FROM compactions WHERE name = $name AND day = make_timestamp($day);

-- name: record_compaction
INSERT INTO compactions VALUES ($name, make_timestamp($day), $rows);

-- name: select_old_blocks
-- Sum up each ingester's first blocks: those without a gap before them, as long as all of them are old.
CREATE OR REPLACE TEMP TABLE old_blocks AS
WITH compacted AS (SELECT ingester, max(folded) AS end_seq FROM ledger_folded GROUP BY ingester),
expected_blocks AS (
    SELECT blocks.*,
           coalesce(end_seq, 0) + row_number() OVER (PARTITION BY ingester ORDER BY seq) - 1 AS expected_seq
    FROM blocks LEFT JOIN compacted USING (ingester)
), checked_blocks AS (
    SELECT *, bool_and(seq = expected_seq AND loaded_at < make_timestamp($before))
        OVER (PARTITION BY ingester ORDER BY seq ROWS UNBOUNDED PRECEDING) AS is_old
    FROM expected_blocks
)
SELECT ingester, max(seq) + 1 AS folded, sum(count)::BIGINT AS count, sum(stored)::BIGINT AS stored,
       sum(duplicates)::BIGINT AS duplicates, sum(conflicts)::BIGINT AS conflicts, sum(dead)::BIGINT AS dead,
       max(loaded_at) AS loaded_at, sum(erased)::BIGINT AS erased
FROM checked_blocks WHERE is_old GROUP BY ingester;

-- name: insert_ledger_sums
INSERT INTO ledger_folded SELECT * FROM old_blocks;

-- name: delete_old_blocks
DELETE FROM blocks USING old_blocks WHERE blocks.ingester = old_blocks.ingester AND blocks.seq < old_blocks.folded;

-- name: forget_rollup
-- Delete a day's counts; they are counted again after.
DELETE FROM rollup WHERE bucket >= make_timestamp($day) AND bucket < make_timestamp($day) + INTERVAL 1 DAY
  AND ($site::VARCHAR IS NULL OR site_id = $site);

-- name: forget_people
-- Delete a day's users; they are selected again after.
DELETE FROM people WHERE bucket >= make_timestamp($day) AND bucket < make_timestamp($day) + INTERVAL 1 DAY
  AND ($site::VARCHAR IS NULL OR site_id = $site);

-- name: count_rollup
-- Count a day's events, as the transaction that stores events does.
INSERT INTO rollup
SELECT site_id, time_bucket(INTERVAL 15 MINUTES, timestamp), name, source, count(*), max(received_at), is_bot(properties)
FROM events
WHERE timestamp >= make_timestamp($day)
  AND timestamp < make_timestamp($day) + INTERVAL 1 DAY
  AND ($site::VARCHAR IS NULL OR site_id = $site)
GROUP BY ALL;

-- name: count_people
-- Select a day's users of each quarter hour.
INSERT INTO people
SELECT site_id, time_bucket(INTERVAL 15 MINUTES, timestamp), user_id, bool_and(is_bot(properties)) FROM events
WHERE user_id IS NOT NULL AND timestamp >= make_timestamp($day)
  AND timestamp < make_timestamp($day) + INTERVAL 1 DAY
  AND ($site::VARCHAR IS NULL OR site_id = $site)
GROUP BY ALL;

-- name: rows_rollup
SELECT count(*) FROM rollup WHERE bucket >= make_timestamp($day) AND bucket < make_timestamp($day) + INTERVAL 1 DAY;

-- name: rows_people
SELECT count(*) FROM people WHERE bucket >= make_timestamp($day) AND bucket < make_timestamp($day) + INTERVAL 1 DAY;

-- name: counted_events
-- Count the events of a day.
SELECT count(*) FROM events WHERE timestamp >= make_timestamp($day)
  AND timestamp < make_timestamp($day) + INTERVAL 1 DAY
  AND ($site::VARCHAR IS NULL OR site_id = $site);

-- name: hold
-- Change no value: a transaction that updates rows keeps checkpoints away until it ends. One that inserts does not.
UPDATE schema_version SET version = version;

-- name: schema
SELECT coalesce(max(version), 0) FROM schema_version;

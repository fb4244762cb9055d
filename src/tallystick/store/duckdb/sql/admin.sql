-- The ledger's questions, verify, dead letters, retention and housekeeping.

-- name: ledger_folded
SELECT ingester, max(folded), sum(count)::BIGINT, sum(stored)::BIGINT, sum(duplicates)::BIGINT, sum(conflicts)::BIGINT,
       sum(dead)::BIGINT
FROM ledger_folded GROUP BY ingester;

-- name: ledger_blocks
-- Numbers are listed only for ingesters whose blocks are no unbroken row (0 … n-1 would be long and say nothing).
SELECT ingester, min(seq), max(seq), count(*),
       CASE WHEN max(seq) - min(seq) + 1 <> count(*) THEN list(seq ORDER BY seq) ELSE [] END,
       sum(count)::BIGINT, sum(stored)::BIGINT, sum(duplicates)::BIGINT, sum(conflicts)::BIGINT, sum(dead)::BIGINT
FROM blocks GROUP BY ingester;

-- name: receipt
SELECT ingester, seq, count, stored, duplicates, conflicts, dead, epoch_us(loaded_at)
FROM blocks WHERE ingester = ? AND seq = ?;

-- name: verify_tables
SELECT table_name FROM duckdb_tables() WHERE database_name = 'tallystick' ORDER BY 1;

-- name: verify_ledger_adds_up
-- Blocks whose count is not what became of their events.
SELECT count(*) FROM blocks WHERE count <> stored + duplicates + dead;

-- name: verify_blocks_twice
SELECT count(*) FROM (SELECT 1 FROM blocks GROUP BY ingester, seq HAVING count(*) > 1);

-- name: verify_stored
-- What the ledger says was stored, the events there are, and the events that retention removed.
SELECT (SELECT coalesce(sum(stored), 0) FROM blocks) + (SELECT coalesce(sum(stored), 0) FROM ledger_folded),
       (SELECT count(*) FROM events), (SELECT coalesce(sum(events), 0) FROM purges);

-- name: verify_dead
SELECT (SELECT coalesce(sum(dead), 0) FROM blocks) + (SELECT coalesce(sum(dead), 0) FROM ledger_folded),
       (SELECT coalesce(sum(events), 0) FROM dead_letters);

-- name: verify_days
-- The checks below go day by day, so that their memory does not grow with the store.
SELECT DISTINCT epoch_us(day) FROM (
    SELECT date_trunc('day', timestamp) AS day FROM events
    UNION ALL SELECT date_trunc('day', bucket) FROM rollup
    UNION ALL SELECT date_trunc('day', bucket) FROM people
) ORDER BY 1;

-- name: verify_twice
-- Identities stored twice at the same time: forbidden for ever.
SELECT coalesce(sum(n - 1), 0)::BIGINT FROM (
    SELECT count(*) AS n FROM events
    WHERE timestamp >= make_timestamp($day) AND timestamp < make_timestamp($day) + INTERVAL 1 DAY
    GROUP BY site_id, event_id, timestamp HAVING count(*) > 1);

-- name: verify_rollup
-- Rollup buckets that differ from the raw events.
SELECT count(*) FROM (
    SELECT site_id, bucket, name, source, sum(events) AS n FROM rollup
    WHERE bucket >= make_timestamp($day) AND bucket < make_timestamp($day) + INTERVAL 1 DAY GROUP BY ALL
) r FULL JOIN (
    SELECT site_id, time_bucket(INTERVAL 15 MINUTES, timestamp) AS bucket, name, source, count(*) AS n FROM events
    WHERE timestamp >= make_timestamp($day) AND timestamp < make_timestamp($day) + INTERVAL 1 DAY GROUP BY ALL
) e USING (site_id, bucket, name, source)
WHERE r.n IS DISTINCT FROM e.n;

-- name: verify_people
SELECT count(*) FROM (
    SELECT site_id, bucket, user_id, 1 AS there FROM people
    WHERE bucket >= make_timestamp($day) AND bucket < make_timestamp($day) + INTERVAL 1 DAY GROUP BY ALL
) p FULL JOIN (
    SELECT site_id, time_bucket(INTERVAL 15 MINUTES, timestamp) AS bucket, user_id, 1 AS there FROM events
    WHERE user_id IS NOT NULL AND timestamp >= make_timestamp($day)
      AND timestamp < make_timestamp($day) + INTERVAL 1 DAY GROUP BY ALL
) e USING (site_id, bucket, user_id)
WHERE p.there IS NULL OR e.there IS NULL;

-- name: dead_letters
SELECT id, ingester, seq, index, original, code, reason, events, attempts, epoch_us(dead_at), state FROM dead_letters
WHERE id > $after AND ($state::VARCHAR IS NULL OR state = $state) ORDER BY id LIMIT $limit;

-- name: dead_letter
SELECT id, ingester, seq, index, original, code, reason, events, attempts, epoch_us(dead_at), state FROM dead_letters
WHERE id = ?;

-- name: mark_dead
UPDATE dead_letters SET state = $state WHERE id IN (SELECT unnest($ids::BIGINT[])) AND state <> $state;

-- name: purge_count
SELECT count(*) FROM events WHERE timestamp < make_timestamp($before);

-- name: purge_record
INSERT INTO purges VALUES (make_timestamp($now), make_timestamp($before), $events);

-- name: purge_events
DELETE FROM events WHERE timestamp < make_timestamp($before);

-- name: purge_rollup
DELETE FROM rollup WHERE bucket < make_timestamp($before);

-- name: purge_people
DELETE FROM people WHERE bucket < make_timestamp($before);

-- name: delta_days_rollup
-- Days of the rollup that have gathered many rows since they were compacted.
SELECT epoch_us(d.day), d.rows
FROM (SELECT date_trunc('day', bucket) AS day, count(*) AS rows FROM rollup GROUP BY 1) d
LEFT JOIN (SELECT day, rows FROM compactions WHERE name = 'rollup') c ON c.day = d.day
WHERE d.rows > 1.5 * coalesce(c.rows, 0) + 10000;

-- name: delta_days_people
SELECT epoch_us(d.day), d.rows
FROM (SELECT date_trunc('day', bucket) AS day, count(*) AS rows FROM people GROUP BY 1) d
LEFT JOIN (SELECT day, rows FROM compactions WHERE name = 'people') c ON c.day = d.day
WHERE d.rows > 1.5 * coalesce(c.rows, 0) + 10000;

-- name: compact_rollup
CREATE OR REPLACE TEMP TABLE compacted AS
SELECT site_id, bucket, name, source, sum(events)::BIGINT AS events, max(last_received) AS last_received
FROM rollup WHERE bucket >= make_timestamp($day) AND bucket < make_timestamp($day) + INTERVAL 1 DAY GROUP BY ALL;

-- name: compact_people
CREATE OR REPLACE TEMP TABLE compacted AS
SELECT DISTINCT site_id, bucket, user_id
FROM people WHERE bucket >= make_timestamp($day) AND bucket < make_timestamp($day) + INTERVAL 1 DAY;

-- name: replace_rollup
DELETE FROM rollup WHERE bucket >= make_timestamp($day) AND bucket < make_timestamp($day) + INTERVAL 1 DAY;

-- name: replace_people
DELETE FROM people WHERE bucket >= make_timestamp($day) AND bucket < make_timestamp($day) + INTERVAL 1 DAY;

-- name: forget_compaction
DELETE FROM compactions WHERE name = $name AND day = make_timestamp($day);

-- name: record_compaction
INSERT INTO compactions VALUES ($name, make_timestamp($day), $rows);

-- name: fold
-- The unbroken beginning of each ingester's blocks, as far as all of it is old.
CREATE OR REPLACE TEMP TABLE folding AS
WITH start AS (SELECT ingester, max(folded) AS folded FROM ledger_folded GROUP BY ingester),
placed AS (
    SELECT b.*, coalesce(s.folded, 0) + row_number() OVER (PARTITION BY b.ingester ORDER BY b.seq) - 1 AS expected
    FROM blocks b LEFT JOIN start s USING (ingester)
), marked AS (
    SELECT *, bool_and(seq = expected AND loaded_at < make_timestamp($before))
        OVER (PARTITION BY ingester ORDER BY seq ROWS UNBOUNDED PRECEDING) AS foldable
    FROM placed
)
SELECT ingester, max(seq) + 1 AS folded, sum(count)::BIGINT AS count, sum(stored)::BIGINT AS stored,
       sum(duplicates)::BIGINT AS duplicates, sum(conflicts)::BIGINT AS conflicts, sum(dead)::BIGINT AS dead,
       max(loaded_at) AS loaded_at
FROM marked WHERE foldable GROUP BY ingester;

-- name: fold_insert
INSERT INTO ledger_folded SELECT * FROM folding;

-- name: fold_delete
DELETE FROM blocks USING folding WHERE blocks.ingester = folding.ingester AND blocks.seq < folding.folded;

-- The ledger's questions, verify, dead letters, retention and housekeeping.

-- name: ledger_folded
SELECT ingester, folded, count, stored, duplicates, conflicts, dead FROM ledger_folded;

-- name: ledger_blocks
SELECT ingester, min(seq), max(seq), count(*), sum(count)::bigint, sum(stored)::bigint, sum(duplicates)::bigint,
       sum(conflicts)::bigint, sum(dead)::bigint
FROM blocks GROUP BY ingester;

-- name: ledger_seqs
-- Asked only for ingesters whose blocks are no unbroken row (0 … n-1 would be long and say nothing).
SELECT seq FROM blocks WHERE ingester = $1 ORDER BY seq;

-- name: receipt
SELECT ingester, seq, count, stored, duplicates, conflicts, dead, loaded_at FROM blocks WHERE ingester = $1 AND seq = $2;

-- name: verify_ledger_adds_up
-- Blocks whose count is not what became of their events.
SELECT count(*) FROM blocks WHERE count <> stored + duplicates + dead;

-- name: verify_stored
-- What the ledger says was stored, the events there are, and the events that retention removed.
SELECT ((SELECT coalesce(sum(stored), 0) FROM blocks) + (SELECT coalesce(sum(stored), 0) FROM ledger_folded))::bigint,
       (SELECT count(*) FROM events), (SELECT coalesce(sum(events), 0) FROM purges)::bigint;

-- name: verify_dead
SELECT ((SELECT coalesce(sum(dead), 0) FROM blocks) + (SELECT coalesce(sum(dead), 0) FROM ledger_folded))::bigint,
       (SELECT coalesce(sum(events), 0) FROM dead_letters)::bigint;

-- name: verify_days
-- The days of the rollups; those of events are their partitions. The checks below go day by day.
SELECT DISTINCT date_bin('1 day', bucket, '2000-01-01Z') FROM rollup
UNION SELECT DISTINCT date_bin('1 day', bucket, '2000-01-01Z') FROM people
UNION SELECT DISTINCT day::timestamptz FROM people_days;

-- name: verify_twice
-- Identities stored twice at the same time: forbidden for ever.
SELECT coalesce(sum(n - 1), 0)::bigint FROM (
    SELECT count(*) AS n FROM events WHERE timestamp >= $1 AND timestamp < $1::timestamptz + interval '1 day'
    GROUP BY site_id, event_id, timestamp HAVING count(*) > 1) twice;

-- name: verify_rollup
-- Rollup buckets that differ from the raw events.
SELECT count(*) FROM (
    SELECT site_id, bucket, name, source, sum(events) AS n FROM rollup
    WHERE bucket >= $1 AND bucket < $1::timestamptz + interval '1 day' GROUP BY 1, 2, 3, 4
) r FULL JOIN (
    SELECT site_id, date_bin('15 minutes', timestamp, '2000-01-01Z') AS bucket, name, source, count(*) AS n FROM events
    WHERE timestamp >= $1 AND timestamp < $1::timestamptz + interval '1 day' GROUP BY 1, 2, 3, 4
) e USING (site_id, bucket, name, source)
WHERE r.n IS DISTINCT FROM e.n;

-- name: verify_people
SELECT count(*) FROM (
    SELECT DISTINCT site_id, bucket, user_id FROM people
    WHERE bucket >= $1 AND bucket < $1::timestamptz + interval '1 day'
) p FULL JOIN (
    SELECT DISTINCT site_id, date_bin('15 minutes', timestamp, '2000-01-01Z') AS bucket, user_id FROM events
    WHERE user_id IS NOT NULL AND timestamp >= $1 AND timestamp < $1::timestamptz + interval '1 day'
) e ON (p.site_id, p.bucket, p.user_id) = (e.site_id, e.bucket, e.user_id)
WHERE p.site_id IS NULL OR e.site_id IS NULL;

-- name: verify_people_days
SELECT count(*) FROM (
    SELECT site_id, user_id FROM people_days WHERE day = ($1::timestamptz AT TIME ZONE 'UTC')::date
) p FULL JOIN (
    SELECT DISTINCT site_id, user_id FROM events
    WHERE user_id IS NOT NULL AND timestamp >= $1 AND timestamp < $1::timestamptz + interval '1 day'
) e ON (p.site_id, p.user_id) = (e.site_id, e.user_id)
WHERE p.site_id IS NULL OR e.site_id IS NULL;

-- name: dead_letters
SELECT id, ingester, seq, index, original, code, reason, events, attempts, dead_at, state FROM dead_letters
WHERE id > $1 AND ($2::text IS NULL OR state = $2) ORDER BY id LIMIT $3;

-- name: dead_letter
SELECT id, ingester, seq, index, original, code, reason, events, attempts, dead_at, state FROM dead_letters
WHERE id = $1;

-- name: mark_dead
UPDATE dead_letters SET state = $2 WHERE id = ANY($1::bigint[]) AND state <> $2;

-- name: purge_count
SELECT count(*) FROM events WHERE timestamp >= $1 AND timestamp < $2;

-- name: purge_record
INSERT INTO purges VALUES ($1, $2, $3);

-- name: purge_events
-- Of the day that the border cuts; whole days go with their partition.
DELETE FROM events WHERE timestamp >= $1 AND timestamp < $2;

-- name: purge_rollup
DELETE FROM rollup WHERE bucket >= $1 AND bucket < $2;

-- name: purge_people
DELETE FROM people WHERE bucket >= $1 AND bucket < $2;

-- name: purge_people_days
-- Of the day that begins at $1: who is not seen in what is left of it.
DELETE FROM people_days d WHERE day = ($1::timestamptz AT TIME ZONE 'UTC')::date AND NOT EXISTS (
    SELECT FROM people p WHERE p.site_id = d.site_id AND p.user_id = d.user_id
      AND p.bucket >= $2 AND p.bucket < $1::timestamptz + interval '1 day');

-- name: purge_recent
-- A purged event that is sent again is a new one, at whatever time.
DELETE FROM recent_ids WHERE timestamp < $1;

-- name: delta_day
-- The oldest day of a rollup to which rows for more than half of its compacted ones were appended.
SELECT a.name, a.day FROM (SELECT name, day, sum(rows) AS rows FROM appended GROUP BY name, day) a
LEFT JOIN compactions c ON c.name = a.name AND c.day = a.day
WHERE a.rows > 0.5 * coalesce(c.rows, 0) + 10000
ORDER BY a.day LIMIT 1;

-- name: compact_rollup
WITH gone AS (
    DELETE FROM rollup WHERE bucket >= $1 AND bucket < $1::timestamptz + interval '1 day' RETURNING *)
INSERT INTO rollup
SELECT site_id, bucket, name, source, sum(events)::bigint, max(last_received) FROM gone GROUP BY 1, 2, 3, 4
ORDER BY 1, 2;

-- name: compact_people
WITH gone AS (
    DELETE FROM people WHERE bucket >= $1 AND bucket < $1::timestamptz + interval '1 day' RETURNING *)
INSERT INTO people SELECT DISTINCT site_id, bucket, user_id FROM gone ORDER BY 1, 2, 3;

-- name: forget_appended
DELETE FROM appended WHERE name = $1 AND day = $2;

-- name: record_compaction
INSERT INTO compactions VALUES ($1, $2, $3) ON CONFLICT (name, day) DO UPDATE SET rows = excluded.rows;

-- name: fold
-- The unbroken beginning of each ingester's blocks, as far as all of it is old. `expected` never grows beyond `seq`
-- again once one is missing.
WITH placed AS (
    SELECT b.ingester, b.seq,
           coalesce(f.folded, 0) + row_number() OVER (PARTITION BY b.ingester ORDER BY b.seq) - 1 AS expected
    FROM blocks b LEFT JOIN ledger_folded f USING (ingester) WHERE b.loaded_at < $1
), gone AS (
    DELETE FROM blocks b USING placed p
    WHERE b.ingester = p.ingester AND b.seq = p.seq AND p.seq = p.expected RETURNING b.*
)
INSERT INTO ledger_folded AS f
SELECT ingester, max(seq) + 1, sum(count)::bigint, sum(stored)::bigint, sum(duplicates)::bigint, sum(conflicts)::bigint,
       sum(dead)::bigint, max(loaded_at)
FROM gone GROUP BY ingester
ON CONFLICT (ingester) DO UPDATE SET
    folded = excluded.folded, count = f.count + excluded.count, stored = f.stored + excluded.stored,
    duplicates = f.duplicates + excluded.duplicates, conflicts = f.conflicts + excluded.conflicts,
    dead = f.dead + excluded.dead, loaded_at = greatest(f.loaded_at, excluded.loaded_at);

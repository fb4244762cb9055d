-- Ledger, verify, dead letters, housekeeping. Tables are read FINAL: copies of a row that are not merged yet count once.

-- name: ledger_compacted
-- Select the sums of the compacted blocks. `ledger_folded` and `folded` are historical names of the compacted ledger.
SELECT ingester, folded, count, stored, duplicates, conflicts, dead, erased FROM ledger_folded FINAL;

-- name: ledger_blocks
-- Sum up the blocks of each ingester: first and last seq, how many, and their sums. Of a block that is not settled the
-- events that name it are counted. Events are read up to the newest of these blocks only, which saves reading the rest.
WITH unsettled AS (SELECT ingester, seq, oldest, newest FROM blocks FINAL WHERE settled = 0),
counted AS (
    SELECT ingester, seq, toInt64(count()) AS events FROM events FINAL
    WHERE (ingester, seq) IN (SELECT ingester, seq FROM unsettled)
      AND timestamp >= (SELECT min(oldest) FROM unsettled) AND timestamp <= (SELECT max(newest) FROM unsettled)
    GROUP BY ingester, seq
),
entries AS (
    SELECT blocks.ingester AS ingester, blocks.seq AS seq, blocks.count AS count,
           if(blocks.settled = 1, blocks.stored, coalesce(counted.events, 0)) AS stored,
           blocks.conflicts AS conflicts, blocks.dead AS dead, blocks.erased AS erased
    FROM (SELECT * FROM blocks FINAL) AS blocks
    LEFT JOIN counted ON counted.ingester = blocks.ingester AND counted.seq = blocks.seq
    LEFT JOIN (SELECT ingester, folded FROM ledger_folded FINAL) AS compacted ON compacted.ingester = blocks.ingester
    WHERE blocks.seq >= coalesce(compacted.folded, 0)
)
SELECT ingester, min(seq), max(seq), toInt64(count()), sum(count), sum(stored), sum(count - stored - dead - erased),
       sum(least(conflicts, count - stored - dead - erased)), sum(dead), sum(erased)
FROM entries GROUP BY ingester;

-- name: ledger_seqs
-- Select an ingester's seqs. Only run if they have gaps: otherwise first and last say it all.
SELECT seq FROM blocks FINAL WHERE ingester = {ingester:String} AND seq >= {folded:Int64} ORDER BY seq;

-- name: receipt
-- Select one block's entry.
SELECT ingester, seq, count, stored, count - stored - dead - erased, least(conflicts, count - stored - dead - erased), dead,
       loaded_at, erased
FROM blocks FINAL WHERE ingester = {ingester:String} AND seq = {seq:Int64}
  AND seq >= (SELECT coalesce(max(folded), 0) FROM ledger_folded WHERE ingester = {ingester:String});

-- name: verify_ledger_adds_up
-- Count blocks of which more is stored, dead and erased than they have.
SELECT count() FROM blocks FINAL WHERE count < stored + dead + erased;

-- name: verify_stored
-- Select how many events settled blocks have by the ledger, and how many events name such a block.
WITH settled AS (
    SELECT blocks.ingester AS ingester, blocks.seq AS seq, blocks.stored AS stored
    FROM (SELECT ingester, seq, stored FROM blocks FINAL WHERE settled = 1) AS blocks
    LEFT JOIN (SELECT ingester, folded FROM ledger_folded FINAL) AS compacted ON compacted.ingester = blocks.ingester
    WHERE blocks.seq >= coalesce(compacted.folded, 0)
),
found AS (SELECT toString(ingester) AS ingester, seq, toInt64(count()) AS events FROM events FINAL GROUP BY ingester, seq)
SELECT (SELECT coalesce(sum(stored), 0) FROM settled) + (SELECT coalesce(sum(stored), 0) FROM ledger_folded FINAL),
       (SELECT coalesce(sum(found.events), 0) FROM found
        LEFT JOIN (SELECT ingester, folded FROM ledger_folded FINAL) AS compacted ON compacted.ingester = found.ingester
        WHERE found.seq < coalesce(compacted.folded, 0)
           OR (found.ingester, found.seq) IN (SELECT ingester, seq FROM settled));

-- name: verify_dead
-- Select how many events the ledger has as dead, and how many the dead letters of its blocks hold.
WITH compacted AS (SELECT ingester, folded, dead FROM ledger_folded FINAL),
entries AS (
    SELECT blocks.ingester AS ingester, blocks.seq AS seq, blocks.dead AS dead
    FROM (SELECT ingester, seq, dead FROM blocks FINAL) AS blocks
    LEFT JOIN compacted ON compacted.ingester = blocks.ingester
    WHERE blocks.seq >= coalesce(compacted.folded, 0)
)
SELECT (SELECT coalesce(sum(dead), 0) FROM entries) + (SELECT coalesce(sum(dead), 0) FROM compacted),
       (SELECT coalesce(sum(letters.events), 0)
        FROM (SELECT ingester, seq, events FROM dead_letters FINAL) AS letters
        LEFT JOIN compacted ON compacted.ingester = letters.ingester
        WHERE letters.seq < coalesce(compacted.folded, 0)
           OR (letters.ingester, letters.seq) IN (SELECT ingester, seq FROM entries));

-- name: days
-- Select the UTC days that have events.
SELECT DISTINCT toDateTime64(day, 6, 'UTC') AS start FROM events FINAL ORDER BY start;

-- name: counted_events
-- Count the events of a day.
SELECT toInt64(count()) FROM events FINAL
WHERE day = toDate({day:DateTime64(6, 'UTC')}) AND ({site:Nullable(String)} IS NULL OR site_id = {site:Nullable(String)});

-- name: dead_letters
-- Select a page of dead letters, optionally of one state.
SELECT id, ingester, seq, "index", base64Encode(original), code, reason, events, attempts, dead_at, state
FROM dead_letters FINAL
WHERE id > {after:Int64} AND ({state:Nullable(String)} IS NULL OR state = {state:Nullable(String)})
ORDER BY id LIMIT {limit:UInt64};

-- name: dead_letter
SELECT id, ingester, seq, "index", base64Encode(original), code, reason, events, attempts, dead_at, state
FROM dead_letters FINAL WHERE id = {id:Int64};

-- name: count_marked
-- Count the letters whose state changes. An erased letter stays erased: a replay may have read it before.
SELECT toInt64(count()) FROM dead_letters FINAL WHERE id IN {ids:Array(Int64)} AND state NOT IN ({state:String}, 'erased');

-- name: mark_dead
-- Insert these letters again with their new state.
INSERT INTO dead_letters
SELECT id, ingester, seq, "index", original, code, reason, events, attempts, dead_at, {state:String}, {version:UInt64}
FROM dead_letters FINAL WHERE id IN {ids:Array(Int64)} AND state NOT IN ({state:String}, 'erased');

-- name: settle_blocks
-- Insert the unsettled blocks of before a time again, with the number of events that name them.
INSERT INTO blocks (ingester, seq, count, stored, conflicts, dead, oldest, newest, loaded_at, settled, version, erased)
WITH unsettled AS (
    SELECT * FROM blocks FINAL WHERE settled = 0 AND loaded_at < {before:DateTime64(6, 'UTC')}
)
SELECT unsettled.ingester, unsettled.seq, unsettled.count, coalesce(counted.events, 0), unsettled.conflicts,
       unsettled.dead, unsettled.oldest, unsettled.newest, unsettled.loaded_at, 1, {version:UInt64},
       unsettled.erased
FROM unsettled
LEFT JOIN (
    SELECT toString(ingester) AS ingester, seq, toInt64(count()) AS events FROM events FINAL
    WHERE (ingester, seq) IN (SELECT ingester, seq FROM unsettled)
      AND timestamp >= (SELECT min(oldest) FROM unsettled) AND timestamp <= (SELECT max(newest) FROM unsettled)
    GROUP BY ingester, seq
) AS counted ON counted.ingester = unsettled.ingester AND counted.seq = unsettled.seq;

-- name: unsettled
-- Count the unsettled blocks of before a time.
SELECT toInt64(count()) FROM blocks FINAL WHERE settled = 0 AND loaded_at < {before:DateTime64(6, 'UTC')};

-- name: compact_ledger
-- Insert a new sum of each ingester with settled blocks of before a time that follow the compacted ones without a gap.
INSERT INTO ledger_folded
WITH numbered AS (
    SELECT blocks.*, coalesce(compacted.folded, 0) AS start,
           start + row_number() OVER (PARTITION BY blocks.ingester ORDER BY blocks.seq) - 1 AS expected_seq
    FROM (SELECT * FROM blocks FINAL WHERE settled = 1 AND loaded_at < {before:DateTime64(6, 'UTC')}) AS blocks
    LEFT JOIN (SELECT ingester, folded FROM ledger_folded FINAL) AS compacted ON compacted.ingester = blocks.ingester
    WHERE blocks.seq >= coalesce(compacted.folded, 0)
),
complete AS (SELECT * FROM numbered WHERE toInt64(seq) = toInt64(expected_seq))
SELECT complete.ingester, max(complete.seq) + 1, sum(complete.count) + coalesce(any(known.count), 0),
       sum(complete.stored) + coalesce(any(known.stored), 0),
       sum(complete.count - complete.stored - complete.dead - complete.erased) + coalesce(any(known.duplicates), 0),
       sum(least(complete.conflicts, complete.count - complete.stored - complete.dead - complete.erased))
           + coalesce(any(known.conflicts), 0),
       sum(complete.dead) + coalesce(any(known.dead), 0), max(complete.loaded_at),
       sum(complete.erased) + coalesce(any(known.erased), 0)
FROM complete
LEFT JOIN (SELECT * FROM ledger_folded FINAL) AS known ON known.ingester = complete.ingester
GROUP BY complete.ingester;

-- name: count_compacted
-- Count the rows of compacted blocks, which do not count any more.
SELECT toInt64(count()) FROM blocks
WHERE seq < (SELECT max(folded) FROM ledger_folded) AND (ingester, seq) IN (
    SELECT blocks.ingester, blocks.seq FROM blocks JOIN ledger_folded ON ledger_folded.ingester = blocks.ingester
    WHERE blocks.seq < ledger_folded.folded);

-- name: delete_compacted
-- Delete them.
DELETE FROM {blocks} WHERE (ingester, seq) IN (
    SELECT entry.ingester, entry.seq FROM {blocks} AS entry
    JOIN {ledger_folded} AS compacted ON compacted.ingester = entry.ingester
    WHERE entry.seq < compacted.folded);

-- name: days_of_recent_ids
-- Select the partitions of recent ids on a server that are older than a day.
SELECT DISTINCT partition_id FROM system.parts
WHERE database = currentDatabase() AND table = {table:String} AND active AND partition_id < {day:String};

-- name: count_recent_ids
-- Count the identities that came into the window since a time.
SELECT toInt64(count()) FROM recent_ids WHERE stored_at >= {since:DateTime64(6, 'UTC')};

-- name: any_doubled
-- Select whether an identity that came into the window since a time has two times there: of a range of hashes.
SELECT count() FROM (
    SELECT hash FROM recent_ids
    WHERE hash BETWEEN {lowest:UInt64} AND {highest:UInt64}
      AND hash IN (SELECT hash FROM recent_ids
                   WHERE hash BETWEEN {lowest:UInt64} AND {highest:UInt64} AND stored_at >= {since:DateTime64(6, 'UTC')})
    GROUP BY hash HAVING min(timestamp) <> max(timestamp)
);

-- name: stored_twice
-- Select the identities that two workers stored at the same instant under two times, with the copies that are not the
-- first: of those in a range of hashes that came into the window since a time.
WITH doubled AS (
    SELECT hash FROM recent_ids
    WHERE hash BETWEEN {lowest:UInt64} AND {highest:UInt64}
      AND hash IN (SELECT hash FROM recent_ids
                   WHERE hash BETWEEN {lowest:UInt64} AND {highest:UInt64} AND stored_at >= {since:DateTime64(6, 'UTC')})
    GROUP BY hash HAVING min(timestamp) <> max(timestamp)
)
SELECT site_id, event_id, timestamp, joined_id FROM (
    SELECT toString(site_id) AS site_id, event_id, timestamp, version, joined_id,
           row_number() OVER (PARTITION BY site_id, event_id ORDER BY version DESC, timestamp) AS copy
    FROM events FINAL
    WHERE timestamp IN (SELECT timestamp FROM recent_ids WHERE hash IN (SELECT hash FROM doubled))
      AND received_at >= {window_start:DateTime64(6, 'UTC')}
      AND cityHash64(toString(site_id), event_id) IN (SELECT hash FROM doubled)
) WHERE copy > 1;

-- name: delete_copies
-- Delete events, each given as its id, its time and its site, between whose times the given ones are.
DELETE FROM {events}
WHERE timestamp >= fromUnixTimestamp64Micro({first_us:Int64}, 'UTC')
  AND timestamp <= fromUnixTimestamp64Micro({last_us:Int64}, 'UTC')
  AND concat(toString(event_id), ' ', toString(toUnixTimestamp64Micro(timestamp)), ' ', site_id) IN {copies:Array(String)};

-- name: retention_rules
SELECT site_id, days, keep_rollups FROM retention_rules FINAL ORDER BY site_id;

-- name: enter_retention_rule
-- Insert or replace a site's rule; one that is gone deletes it.
INSERT INTO retention_rules (site_id, days, keep_rollups, version, gone) FORMAT JSONEachRow;

-- What `tallystick move` carries beside events: instants are microseconds since 1970. See store/carried.py.

-- name: day_events
-- Count the events of each site and UTC day.
SELECT toString(site_id) AS site,
       toUnixTimestamp64Micro(timestamp) - positiveModulo(toUnixTimestamp64Micro(timestamp), 86400000000) AS start,
       toInt64(count())
FROM events FINAL GROUP BY site, start ORDER BY start, site;

-- name: select_identities
SELECT site_id, user_id, linked_to, toUnixTimestamp64Micro(linked_at), toString(event_id), person_id
FROM identities FINAL;

-- name: select_splits
SELECT site_id, user_id, toUnixTimestamp64Micro(split_at) FROM splits FINAL;

-- name: unfinished_removals
SELECT toInt64(count()) FROM removals FINAL WHERE done = 0;

-- name: select_purges
SELECT toUnixTimestamp64Micro(removed_at) AS at, toUnixTimestamp64Micro(until), toInt64(arraySum(counts)), site_id
FROM removals FINAL WHERE kind IN ('purge', 'retention') ORDER BY at;

-- name: select_retention_rules
SELECT site_id, days, keep_rollups FROM retention_rules FINAL;

-- name: select_removals
SELECT toUnixTimestamp64Micro(removed_at) AS at, toString(kind), subject, site, events
FROM removals FINAL ARRAY JOIN sites AS site, counts AS events
WHERE kind NOT IN ('purge', 'retention') ORDER BY at, site;

-- name: select_erasure_keys
SELECT key FROM erasure_keys ORDER BY made_at, key;

-- name: select_tombstones
SELECT DISTINCT site_id, digest, toUnixTimestamp64Micro(erased_at), toUnixTimestamp64Micro(until), blocked FROM tombstones;

-- name: select_erasures
SELECT id, site_id, digest, toUnixTimestamp64Micro(erased_at), toUnixTimestamp64Micro(until), blocked, ids, events,
       sessions, dead_letters, toUnixTimestamp64Micro(first), toUnixTimestamp64Micro(last)
FROM erasures FINAL WHERE done = 1;

-- name: select_dead_letters
SELECT ingester, seq, "index", base64Encode(original), code, reason, events, attempts, toUnixTimestamp64Micro(dead_at),
       toString(state)
FROM dead_letters FINAL ORDER BY id;

-- name: select_blocks
-- Select the blocks that are not compacted. Of one that is not settled the events that name it are counted.
WITH unsettled AS (SELECT ingester, seq, oldest, newest FROM blocks FINAL WHERE settled = 0),
counted AS (
    SELECT toString(ingester) AS ingester, seq, toInt64(count()) AS events FROM events FINAL
    WHERE (ingester, seq) IN (SELECT ingester, seq FROM unsettled)
      AND timestamp >= (SELECT min(oldest) FROM unsettled) AND timestamp <= (SELECT max(newest) FROM unsettled)
    GROUP BY ingester, seq
),
entries AS (
    SELECT blocks.ingester AS ingester, blocks.seq AS seq, blocks.count AS count,
           if(blocks.settled = 1, blocks.stored, coalesce(counted.events, 0)) AS stored,
           blocks.conflicts AS conflicts, blocks.dead AS dead, toUnixTimestamp64Micro(blocks.loaded_at) AS loaded_at,
           blocks.erased AS erased
    FROM (SELECT * FROM blocks FINAL) AS blocks
    LEFT JOIN counted ON counted.ingester = blocks.ingester AND counted.seq = blocks.seq
    LEFT JOIN (SELECT ingester, folded FROM ledger_folded FINAL) AS compacted ON compacted.ingester = blocks.ingester
    WHERE blocks.seq >= coalesce(compacted.folded, 0) AND NOT startsWith(blocks.ingester, 'move-')
)
SELECT ingester, seq, count, stored, count - stored - dead - erased, least(conflicts, count - stored - dead - erased), dead,
       loaded_at, erased
FROM entries;

-- name: select_compacted
SELECT ingester, folded, count, stored, duplicates, conflicts, dead, toUnixTimestamp64Micro(loaded_at), erased
FROM ledger_folded FINAL WHERE NOT startsWith(ingester, 'move-');

-- name: insert_identities
INSERT INTO identities (site_id, user_id, linked_to, linked_at, event_id, person_id, version, gone) FORMAT JSONEachRow;

-- name: insert_splits
INSERT INTO splits (site_id, user_id, split_at, version, gone) FORMAT JSONEachRow;

-- name: insert_removals
INSERT INTO removals (id, removed_at, kind, subject, site_id, first, until, sites, counts, done) FORMAT JSONEachRow;

-- name: insert_retention_rules
INSERT INTO retention_rules (site_id, days, keep_rollups, version, gone) FORMAT JSONEachRow;

-- name: insert_erasure_keys
INSERT INTO erasure_keys (key, made_at) FORMAT JSONEachRow;

-- name: insert_tombstones
INSERT INTO tombstones (site_id, digest, erased_at, until, blocked) FORMAT JSONEachRow;

-- name: insert_erasures
INSERT INTO erasures
    (id, site_id, digest, erased_at, until, blocked, ids, events, sessions, dead_letters, first, last, done)
FORMAT JSONEachRow;

-- name: insert_dead_letters
INSERT INTO dead_letters
SELECT id, ingester, seq, place, base64Decode(original), code, reason, events, attempts, dead_at, state,
       toUInt64(9223372036854775807 - id)
FROM input('id Int64, ingester String, seq Int64, place Int64, original String, code String, reason String, events Int64,
            attempts Int64, dead_at DateTime64(6, \'UTC\'), state String')
FORMAT JSONEachRow;

-- name: insert_blocks
-- Insert blocks as settled: their counts are the source's, and no event here names them.
INSERT INTO blocks (ingester, seq, count, stored, conflicts, dead, oldest, newest, loaded_at, settled, version, erased)
FORMAT JSONEachRow;

-- name: insert_compacted
INSERT INTO ledger_folded (ingester, folded, count, stored, duplicates, conflicts, dead, loaded_at, erased)
FORMAT JSONEachRow;

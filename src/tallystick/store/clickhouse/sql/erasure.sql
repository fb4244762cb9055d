-- Erase a person: events, dead letters, joined ids and splits go, tombstones and a receipt stay. Statements that change
-- events name the person by the table `erasing`: ClickHouse keeps the text of such a statement.

-- name: version
SELECT toInt64(count()) FROM tombstones;

-- name: keys
SELECT key FROM erasure_keys ORDER BY made_at, key;

-- name: add_key
INSERT INTO erasure_keys (key, made_at) FORMAT JSONEachRow;

-- name: tombstones
SELECT site_id, digest, toUnixTimestamp64Micro(erased_at), toUnixTimestamp64Micro(until), blocked FROM tombstones;

-- name: found
-- Sum up the events of the given ids.
SELECT toInt64(count()), toInt64(uniqExact(session_id)), min(timestamp), max(timestamp) FROM events FINAL
WHERE user_id IS NOT NULL AND (toString(site_id), assumeNotNull(user_id)) IN (SELECT site_id, user_id FROM given);

-- name: add_ids
INSERT INTO erasing (erasure, site_id, user_id, since) FORMAT JSONEachRow;

-- name: ids
SELECT DISTINCT site_id, user_id FROM erasing WHERE erasure = {erasure:String};

-- name: add_tombstones
INSERT INTO tombstones (site_id, digest, erased_at, until, blocked) FORMAT JSONEachRow;

-- name: add_erasure
INSERT INTO erasures
    (id, site_id, digest, erased_at, until, blocked, ids, events, sessions, dead_letters, first, last, done)
FORMAT JSONEachRow;

-- name: delete_events
-- Delete a person's events.
DELETE FROM {events}
WHERE user_id IS NOT NULL
  AND (toString(site_id), assumeNotNull(user_id)) IN (SELECT site_id, user_id FROM erasing WHERE erasure = {erasure:String});

-- name: delete_physically
-- Rewrite the files that hold deleted events without them.
ALTER TABLE {events} APPLY DELETED MASK;

-- name: letters
-- Select dead letters that may have an event of a person: a page, by id.
SELECT id, ingester, seq, "index", base64Encode(original), code, reason, events, attempts, dead_at, toString(state)
FROM dead_letters FINAL WHERE id > {after:Int64} AND state <> 'erased' ORDER BY id LIMIT {limit:UInt64};

-- name: change_letters
-- Insert dead letters again, without what was a person's.
INSERT INTO dead_letters
SELECT id, ingester, seq, place, base64Decode(original), code, reason, events, attempts, dead_at, state, version
FROM input('id Int64, ingester String, seq Int64, place Int64, original String, code String, reason String, events Int64,
            attempts Int64, dead_at DateTime64(6, \'UTC\'), state String, version UInt64')
FORMAT JSONEachRow;

-- name: merge_letters
-- Rewrite the files that hold the letters as they were.
OPTIMIZE TABLE {dead_letters} FINAL;

-- name: splits
-- Select the splits of the given ids.
SELECT site_id, user_id, split_at FROM splits FINAL WHERE (site_id, user_id) IN (SELECT site_id, user_id FROM given);

-- name: end
-- Insert a receipt again as done.
INSERT INTO erasures
SELECT id, site_id, digest, erased_at, until, blocked, ids, events, sessions, dead_letters, first, last, 1
FROM erasures FINAL WHERE id = {erasure:String};

-- name: any_ids
-- Select whether ids are kept of erasures that have ended, or that stopped an hour ago before they were written down.
SELECT count() > 0 FROM erasing
WHERE erasure NOT IN (SELECT subject FROM removals FINAL WHERE kind = 'erasure' AND done = 0)
  AND (since < now64(6, 'UTC') - INTERVAL 1 HOUR
       OR erasure IN (SELECT subject FROM removals FINAL WHERE kind = 'erasure' AND done = 1));

-- name: forget_ids
-- Delete these ids.
DELETE FROM {erasing}
WHERE erasure NOT IN (SELECT subject FROM removals FINAL WHERE kind = 'erasure' AND done = 0)
  AND (since < now64(6, 'UTC') - INTERVAL 1 HOUR
       OR erasure IN (SELECT subject FROM removals FINAL WHERE kind = 'erasure' AND done = 1));

-- name: forget_ids_physically
ALTER TABLE {erasing} APPLY DELETED MASK;

-- name: erasures
-- Select receipts, the last one first: of one site or of all, and with one of some hashes or with any.
SELECT id, site_id, digest, erased_at, until, blocked, ids, events, sessions, dead_letters, first, last FROM erasures FINAL
WHERE done = 1 AND ({site:Nullable(String)} IS NULL OR site_id = {site:Nullable(String)})
  AND ({any:UInt8} = 1 OR digest IN {digests:Array(String)})
ORDER BY erased_at DESC, id;

-- name: verify
-- Select the users of sites with tombstones, with their earliest times.
SELECT toString(site_id) AS site, assumeNotNull(user_id), toUnixTimestamp64Micro(min(timestamp)),
       toUnixTimestamp64Micro(min(received_at))
FROM events FINAL
WHERE user_id IS NOT NULL AND site_id IN (SELECT site_id FROM tombstones) GROUP BY site, user_id;

-- name: left_behind
-- Select the lines among the given ones that an earlier try of their block stored.
SELECT toInt64(count()) FROM events
WHERE (toString(site_id), timestamp, event_id, toString(ingester), seq) IN (
    SELECT site_id, timestamp, event_id, ingester, seq FROM given);

-- name: take_back
-- Delete the given lines of a block.
DELETE FROM {events}
WHERE ingester = {ingester:String} AND seq = {seq:Int64} AND toString(event_id) IN {event_ids:Array(String)};

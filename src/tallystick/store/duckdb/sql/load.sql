-- The write path: the statements of one loading transaction, in the order in which load.py runs them.

-- name: known_blocks
-- Select the batch's blocks that are already in the ledger (G2: a block that is delivered twice is skipped), and for each
-- ingester the seq below which its blocks are compacted. `folded` is the column's historical name. One statement: to plan
-- one takes DuckDB longer than to run it.
SELECT ingester, seq, NULL AS compacted FROM blocks
WHERE ingester IN (SELECT unnest($ingesters::VARCHAR[])) AND seq BETWEEN $lowest AND $highest
UNION ALL
SELECT ingester, NULL, max(folded) FROM ledger_folded
WHERE ingester IN (SELECT unnest($ingesters::VARCHAR[])) GROUP BY ingester;

-- name: read
-- Read the batch's lines into a temporary table, in their order: rowid 0 is the first line.
CREATE OR REPLACE TEMP TABLE incoming AS
SELECT event_id, coalesce(site_id, 'default') AS site_id, name, timestamp, received_at, user_id, session_id,
       coalesce(source, '') AS source, path, coalesce(properties, '{}') AS properties
FROM read_json($spools::VARCHAR[], format = 'newline_delimited', auto_detect = false,
               maximum_object_size = $line_max, columns = {
    event_id: 'UUID', site_id: 'VARCHAR', name: 'VARCHAR', timestamp: 'TIMESTAMP', received_at: 'TIMESTAMP',
    user_id: 'VARCHAR', session_id: 'VARCHAR', source: 'VARCHAR', path: 'VARCHAR',
    properties: 'VARCHAR'});

-- name: read_sparingly
-- Read a few lines from a parameter when memory is short: a file reader takes 32 MiB, however small the file.
-- Row ids need not begin at 0.
CREATE OR REPLACE TEMP TABLE incoming AS
SELECT event.event_id, coalesce(event.site_id, 'default') AS site_id, event.name, event.timestamp, event.received_at,
       event.user_id, event.session_id, coalesce(event.source, '') AS source, event.path,
       coalesce(event.properties, '{}') AS properties
FROM (SELECT from_json(line, '{"event_id": "UUID", "site_id": "VARCHAR", "name": "VARCHAR", "timestamp": "TIMESTAMP",
                               "received_at": "TIMESTAMP", "user_id": "VARCHAR", "session_id": "VARCHAR",
                               "source": "VARCHAR", "path": "VARCHAR", "properties": "VARCHAR"}') AS event
      FROM (SELECT unnest($lines::VARCHAR[]) AS line));

-- name: check
-- Count the lines that were read, those that violate NOT NULL (before they are inserted), those that may join ids and
-- those that may be bots'; select the first row id.
SELECT count(*), count(*) FILTER (event_id IS NULL OR name IS NULL OR timestamp IS NULL OR received_at IS NULL
                                  OR NOT starts_with(properties, '{')),
       count(*) FILTER (name IN ('identify', '$identify', 'alias', '$create_alias')),
       count(*) FILTER (contains(properties, '"$bot"') OR contains(properties, '\u')), coalesce(min(rowid), 0)
FROM incoming;

-- name: hashes
-- Select a 64-bit hash of each identity, and whether its event time is too old for the index of recent ids.
SELECT hash(site_id, event_id) AS hash, timestamp < make_timestamp($old_before) AS old FROM incoming ORDER BY rowid;

-- name: suspects
-- Select events that may have been stored before, or are in this batch twice. The next statements compare them exactly.
-- `hit`: the index of recent ids has the hash, so the window has to be searched too.
CREATE OR REPLACE TEMP TABLE suspects AS
SELECT incoming.rowid AS row, incoming.*, chosen.hit FROM incoming
JOIN (SELECT unnest($rows::BIGINT[]) AS row, unnest($hits::BOOLEAN[]) AS hit) chosen ON chosen.row = incoming.rowid;

-- name: suspects_range
-- Select the suspects' range of times, and how many of them hit the index.
SELECT epoch_us(min(timestamp)), epoch_us(max(timestamp)), count(*) FILTER (hit) FROM suspects;

-- name: twins
-- Select stored events with a suspect's identity and time, known forever. The range lets DuckDB skip row groups.
CREATE OR REPLACE TEMP TABLE twins AS
SELECT suspects.row, events.name, events.user_id, events.session_id, events.source, events.path, events.properties
FROM suspects JOIN events
  ON events.event_id = suspects.event_id AND events.site_id = suspects.site_id
     AND events.timestamp = suspects.timestamp
WHERE events.timestamp BETWEEN make_timestamp($lowest) AND make_timestamp($highest);

-- name: twins_in_window
-- Select stored events with a suspect's identity and another time, known for the dedupe window.
INSERT INTO twins
SELECT unmatched.row, events.name, events.user_id, events.session_id, events.source, events.path, events.properties
FROM (SELECT * FROM suspects WHERE hit AND row NOT IN (SELECT row FROM twins)) unmatched
JOIN events ON events.event_id = unmatched.event_id AND events.site_id = unmatched.site_id
WHERE events.received_at >= make_timestamp($window_start);

-- name: twins_in_batch
-- Select the first event of each identity that is in this batch twice: it is the one that is stored.
INSERT INTO twins
SELECT suspects.row, first_event.name, first_event.user_id, first_event.session_id, first_event.source,
       first_event.path, first_event.properties
FROM suspects
JOIN (SELECT site_id, event_id, min(row) AS row FROM suspects GROUP BY ALL HAVING count(*) > 1) repeated
  ON repeated.site_id = suspects.site_id AND repeated.event_id = suspects.event_id AND repeated.row < suspects.row
JOIN suspects first_event ON first_event.row = repeated.row;

-- name: duplicates
-- Select the duplicates: the first write wins. A duplicate whose payload differs from the stored event is a conflict.
-- Which import an event came with is no difference: exports may overlap.
CREATE OR REPLACE TEMP TABLE duplicates AS
SELECT suspects.row,
       NOT bool_or(suspects.name = twins.name AND suspects.source = twins.source
                   AND (suspects.properties = twins.properties
                        OR without_import(suspects.properties) = without_import(twins.properties))
                   AND suspects.user_id IS NOT DISTINCT FROM twins.user_id
                   AND suspects.session_id IS NOT DISTINCT FROM twins.session_id
                   AND suspects.path IS NOT DISTINCT FROM twins.path) AS conflict
FROM suspects JOIN twins ON twins.row = suspects.row GROUP BY suspects.row;

-- name: drop_duplicates
-- Delete the lines of events that are already stored.
DELETE FROM incoming WHERE rowid IN (SELECT row FROM duplicates);

-- name: insert_events
-- Insert the new events.
INSERT INTO events (event_id, site_id, name, timestamp, received_at, user_id, session_id, source, path, properties)
SELECT event_id, site_id, name, timestamp, received_at, user_id, session_id, source, path, properties FROM incoming;

-- name: insert_rollup
-- Append the batch's counts by quarter hour; compaction sums them up.
INSERT INTO rollup
SELECT site_id, time_bucket(INTERVAL 15 MINUTES, timestamp), name, source, count(*), max(received_at), is_bot(properties)
FROM incoming GROUP BY ALL;

-- name: insert_people
-- Insert the users of each quarter hour. `people` is the table's historical name. Its column `bot` says that all events
-- which the row stands for are bots'.
INSERT INTO people
SELECT site_id, time_bucket(INTERVAL 15 MINUTES, timestamp), user_id, bool_and(is_bot(properties))
FROM incoming WHERE user_id IS NOT NULL GROUP BY ALL;

-- name: insert_bot_sites
-- Insert the sites that have a bot's event now. The key may be written with escapes, which only parsing finds.
INSERT INTO bot_sites
SELECT DISTINCT site_id FROM incoming
WHERE (contains(properties, '"$bot"') OR (contains(properties, '\u') AND json_extract(properties, '/$bot') = 'true'))
  AND site_id NOT IN (SELECT site_id FROM bot_sites);

-- name: insert_blocks
-- Insert the batch's blocks into the ledger.
INSERT INTO blocks (ingester, seq, count, stored, duplicates, conflicts, dead, erased, loaded_at)
SELECT unnest($ingesters::VARCHAR[]), unnest($seqs::BIGINT[]), unnest($counts::BIGINT[]), unnest($stored::BIGINT[]),
       unnest($duplicates::BIGINT[]), unnest($conflicts::BIGINT[]), unnest($dead::BIGINT[]), unnest($erased::BIGINT[]),
       make_timestamp($now);

-- name: insert_dead_letters
-- Insert events and blocks that could not be loaded, with the reason. One statement: there may be many thousands.
INSERT INTO dead_letters (ingester, seq, index, original, code, reason, events, attempts, dead_at, state)
SELECT unnest($ingester::VARCHAR[]), unnest($seq::BIGINT[]), unnest($index::INTEGER[]), unnest($original::BLOB[]),
       unnest($code::VARCHAR[]), unnest($reason::VARCHAR[]), unnest($events::BIGINT[]), unnest($attempts::INTEGER[]),
       make_timestamp($now), 'dead';

-- name: recent_rows
-- Select a slice of the table for the index of recent ids, which is built after a start.
SELECT hash(site_id, event_id) AS hash, max(received_at) OVER () AS newest FROM events
WHERE rowid BETWEEN $first AND $last AND received_at >= make_timestamp($window_start);

-- name: row_range
-- Select the range of row ids that holds the events of the window.
SELECT coalesce(min(rowid), 0), coalesce(max(rowid), -1) FROM events WHERE received_at >= make_timestamp($window_start);

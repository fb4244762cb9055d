-- The write path: the statements of one loading transaction, in the order in which load.py runs them.

-- name: known_blocks
-- Select the blocks of a batch that the ledger has already (G2: a block that is delivered twice is skipped).
SELECT ingester, seq FROM blocks
WHERE ingester IN (SELECT unnest($ingesters::VARCHAR[])) AND seq BETWEEN $lowest AND $highest;

-- name: compacted_seqs
-- Select for each ingester the seq below which its blocks are compacted. `folded` is the column's historical name.
SELECT ingester, max(folded) FROM ledger_folded WHERE ingester IN (SELECT unnest($ingesters::VARCHAR[])) GROUP BY 1;

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
-- Read a few lines from a parameter when memory is short: a reader of files takes 32 MiB, however small the file.
-- Row ids need not begin at 0.
CREATE OR REPLACE TEMP TABLE incoming AS
SELECT e.event_id, coalesce(e.site_id, 'default') AS site_id, e.name, e.timestamp, e.received_at, e.user_id,
       e.session_id, coalesce(e.source, '') AS source, e.path, coalesce(e.properties, '{}') AS properties
FROM (SELECT from_json(line, '{"event_id": "UUID", "site_id": "VARCHAR", "name": "VARCHAR", "timestamp": "TIMESTAMP",
                               "received_at": "TIMESTAMP", "user_id": "VARCHAR", "session_id": "VARCHAR",
                               "source": "VARCHAR", "path": "VARCHAR", "properties": "VARCHAR"}') AS e
      FROM (SELECT unnest($lines::VARCHAR[]) AS line));

-- name: check
-- Count the lines that were read, those that violate NOT NULL (before they are inserted) and those that may join ids;
-- select the first row id.
SELECT count(*), count(*) FILTER (event_id IS NULL OR name IS NULL OR timestamp IS NULL OR received_at IS NULL
                                  OR NOT starts_with(properties, '{')),
       count(*) FILTER (name IN ('identify', '$identify', 'alias', '$create_alias')), coalesce(min(rowid), 0)
FROM incoming;

-- name: hashes
-- Select a 64-bit hash of each identity, and whether its event time is too old for the index of recent ids.
SELECT hash(site_id, event_id) AS h, timestamp < make_timestamp($old_before) AS old FROM incoming ORDER BY rowid;

-- name: suspects
-- Select events that may have been stored before, or are in this batch twice; they are compared exactly below. `hit`:
-- the index of recent ids has the hash, so the window has to be searched too.
CREATE OR REPLACE TEMP TABLE suspects AS
SELECT i.rowid AS row, i.*, h.hit FROM incoming i
JOIN (SELECT unnest($rows::BIGINT[]) AS row, unnest($hits::BOOLEAN[]) AS hit) h ON h.row = i.rowid;

-- name: suspects_range
-- Select the suspects' range of times, and how many of them hit the index.
SELECT epoch_us(min(timestamp)), epoch_us(max(timestamp)), count(*) FILTER (hit) FROM suspects;

-- name: twins
-- Select stored events with a suspect's identity and time, known forever. The range lets DuckDB skip row groups.
CREATE OR REPLACE TEMP TABLE twins AS
SELECT s.row, e.name, e.user_id, e.session_id, e.source, e.path, e.properties
FROM suspects s JOIN events e ON e.event_id = s.event_id AND e.site_id = s.site_id AND e.timestamp = s.timestamp
WHERE e.timestamp BETWEEN make_timestamp($lowest) AND make_timestamp($highest);

-- name: twins_in_window
-- Select stored events with a suspect's identity and another time, known for the dedupe window.
INSERT INTO twins
SELECT s.row, e.name, e.user_id, e.session_id, e.source, e.path, e.properties
FROM (SELECT * FROM suspects WHERE hit AND row NOT IN (SELECT row FROM twins)) s
JOIN events e ON e.event_id = s.event_id AND e.site_id = s.site_id
WHERE e.received_at >= make_timestamp($window_start);

-- name: twins_in_batch
-- Select the first event of each identity that is in this batch twice: it is the one that is stored.
INSERT INTO twins
SELECT s.row, f.name, f.user_id, f.session_id, f.source, f.path, f.properties
FROM suspects s
JOIN (SELECT site_id, event_id, min(row) AS row FROM suspects GROUP BY ALL HAVING count(*) > 1) k
  ON k.site_id = s.site_id AND k.event_id = s.event_id AND k.row < s.row
JOIN suspects f ON f.row = k.row;

-- name: duplicates
-- Select the duplicates: the first write wins. A duplicate with another payload than the stored event is a conflict.
CREATE OR REPLACE TEMP TABLE duplicates AS
SELECT s.row,
       NOT bool_or(s.name = t.name AND s.source = t.source AND s.properties = t.properties
                   AND s.user_id IS NOT DISTINCT FROM t.user_id AND s.session_id IS NOT DISTINCT FROM t.session_id
                   AND s.path IS NOT DISTINCT FROM t.path) AS conflict
FROM suspects s JOIN twins t ON t.row = s.row GROUP BY s.row;

-- name: drop_duplicates
-- Delete from incoming what is stored already.
DELETE FROM incoming WHERE rowid IN (SELECT row FROM duplicates);

-- name: insert_events
INSERT INTO events (event_id, site_id, name, timestamp, received_at, user_id, session_id, source, path, properties)
SELECT event_id, site_id, name, timestamp, received_at, user_id, session_id, source, path, properties FROM incoming;

-- name: insert_rollup
-- Append the batch's counts by quarter hour; compaction sums them up.
INSERT INTO rollup
SELECT site_id, time_bucket(INTERVAL 15 MINUTES, timestamp), name, source, count(*), max(received_at)
FROM incoming GROUP BY ALL;

-- name: insert_people
-- Insert which users were seen in which quarter hour. `people` is the table's historical name.
INSERT INTO people
SELECT site_id, time_bucket(INTERVAL 15 MINUTES, timestamp), user_id
FROM incoming WHERE user_id IS NOT NULL GROUP BY ALL;

-- name: insert_blocks
INSERT INTO blocks
SELECT unnest($ingesters::VARCHAR[]), unnest($seqs::BIGINT[]), unnest($counts::BIGINT[]), unnest($stored::BIGINT[]),
       unnest($duplicates::BIGINT[]), unnest($conflicts::BIGINT[]), unnest($dead::BIGINT[]), make_timestamp($now);

-- name: insert_dead_letter
INSERT INTO dead_letters (ingester, seq, index, original, code, reason, events, attempts, dead_at, state)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, make_timestamp(?), 'dead');

-- name: recent_rows
-- Select a slice of the table for the index of recent ids, which is built after a start.
SELECT hash(site_id, event_id) AS h, max(received_at) OVER () AS newest FROM events
WHERE rowid BETWEEN $first AND $last AND received_at >= make_timestamp($window_start);

-- name: row_range
-- Select the range of row ids that holds the events of the window.
SELECT coalesce(min(rowid), 0), coalesce(max(rowid), -1) FROM events WHERE received_at >= make_timestamp($window_start);

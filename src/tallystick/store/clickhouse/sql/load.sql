-- The write path: the statements of one batch, in the order in which load.py runs them. The temporary tables belong to the
-- batch's session. A worker may stop after any of them: the queue then delivers the batch again.

-- name: known_blocks
-- Select the batch's blocks that are already in the ledger (G2: a block that is delivered twice is skipped).
SELECT ingester, seq FROM blocks
WHERE ingester IN {ingesters:Array(String)} AND seq BETWEEN {lowest:Int64} AND {highest:Int64};

-- name: compacted_seqs
-- Select for each ingester the seq below which its blocks are compacted. `folded` is the column's historical name.
SELECT ingester, max(folded) FROM ledger_folded WHERE ingester IN {ingesters:Array(String)} GROUP BY ingester;

-- name: create_batch
-- Create the table of the batch's blocks: the number of the first line of each.
CREATE TEMPORARY TABLE batch (ingester String, seq Int64, first Int64, one UInt8) ENGINE = Memory;

-- name: insert_batch
INSERT INTO batch FORMAT JSONEachRow;

-- name: create_arrivals
-- Create the table of the batch's lines.
CREATE TEMPORARY TABLE arrivals (
    number      Int64,                  -- counted from 0 over all blocks
    event_id    UUID,
    site_id     String,
    name        String,
    timestamp   DateTime64(6, 'UTC'),
    received_at DateTime64(6, 'UTC'),
    user_id     Nullable(String),
    session_id  Nullable(String),
    source      String,
    path        Nullable(String),
    properties  String,
    ingester    String,
    seq         Int64,
    line        Int64,                  -- counted from 0 in its block
    hash        UInt64,
    broken      UInt8                   -- it is no event
) ENGINE = Memory;

-- name: read
-- Read the batch's lines in their order, which is why one thread reads them, and give each its block.
INSERT INTO arrivals
SELECT number, assumeNotNull(event_id), site, assumeNotNull(name), assumeNotNull(timestamp), assumeNotNull(received_at),
       user_id, session_id, coalesce(source, ''), path, coalesce(properties, '{}'), batch.ingester, batch.seq,
       number - batch.first, cityHash64(site, assumeNotNull(event_id)),
       event_id IS NULL OR name IS NULL OR timestamp IS NULL OR received_at IS NULL
           OR NOT startsWith(coalesce(properties, '{}'), '{')
FROM (
    SELECT *, toInt64(rowNumberInAllBlocks()) AS number, toUInt8(1) AS one, coalesce(site_id, 'default') AS site
    FROM input('event_id Nullable(UUID), site_id Nullable(String), name Nullable(String),
                timestamp Nullable(DateTime64(6, \'UTC\')), received_at Nullable(DateTime64(6, \'UTC\')),
                user_id Nullable(String), session_id Nullable(String), source Nullable(String), path Nullable(String),
                properties Nullable(String)')
) AS lines
ASOF JOIN batch ON lines.one = batch.one AND lines.number >= batch.first
FORMAT JSONEachRow;

-- name: check
-- Count the lines, those that are no events, those that may join ids, and those that may be of bots; select the range of
-- their times.
SELECT count(), countIf(broken = 1),
       countIf(name IN ('identify', '$identify', 'alias', '$create_alias')),
       countIf(position(properties, '"$bot"') > 0 OR position(properties, '\\u') > 0),
       min(timestamp), max(timestamp)
FROM arrivals;

-- name: suspects
-- Count the lines that may be stored already: identities that are stored at the same time, known for ever; that the window
-- knows at another time; or that are in the batch twice.
SELECT (SELECT count() FROM events
        WHERE (site_id, timestamp, event_id) IN (SELECT site_id, timestamp, event_id FROM arrivals)),
       (SELECT count() FROM recent_ids
        WHERE hash IN (SELECT hash FROM arrivals) AND received_at >= {window_start:DateTime64(6, 'UTC')}
          AND (hash, timestamp) NOT IN (SELECT hash, timestamp FROM arrivals)),
       (SELECT count() - uniqExact(hash) FROM arrivals);

-- name: create_twins
-- Select stored events with the identity of a line: at the same time, or within the window at another one.
CREATE TEMPORARY TABLE twins ENGINE = Memory AS
WITH places AS (
    SELECT number, site_id, event_id, timestamp, toUInt8(1) AS same FROM arrivals
    UNION ALL
    SELECT number, site_id, event_id, recent_ids.timestamp AS timestamp, toUInt8(0) AS same
    FROM (SELECT hash, timestamp FROM recent_ids
          WHERE hash IN (SELECT hash FROM arrivals) AND received_at >= {window_start:DateTime64(6, 'UTC')}) AS recent_ids
    JOIN arrivals ON arrivals.hash = recent_ids.hash
    WHERE recent_ids.timestamp <> arrivals.timestamp
)
SELECT DISTINCT places.number AS number, stored.ingester AS ingester, stored.seq AS seq, stored.name AS name,
       stored.user_id AS user_id, stored.session_id AS session_id, stored.source AS source, stored.path AS path,
       stored.properties AS properties
FROM (SELECT * FROM events FINAL WHERE (site_id, timestamp, event_id) IN (SELECT site_id, timestamp, event_id FROM places)) AS stored
JOIN places
  ON places.site_id = stored.site_id AND places.timestamp = stored.timestamp AND places.event_id = stored.event_id
WHERE places.same = 1 OR stored.received_at >= {window_start:DateTime64(6, 'UTC')};

-- name: create_all_lines
-- Select all lines of a batch in which nothing is stored already.
CREATE TEMPORARY TABLE first_lines ENGINE = Memory AS SELECT number, toUInt8(1) AS new FROM arrivals;

-- name: create_first_lines
-- Select the line of each identity that counts: the one that an earlier try stored, or the first. It is new unless another
-- block has stored it.
CREATE TEMPORARY TABLE first_lines ENGINE = Memory AS
WITH own AS (
    SELECT DISTINCT twins.number AS number FROM twins JOIN arrivals ON arrivals.number = twins.number
    WHERE twins.ingester = arrivals.ingester AND twins.seq = arrivals.seq
)
SELECT number, site_id, event_id,
       number IN (SELECT number FROM own)
           OR number NOT IN (SELECT number FROM twins WHERE (ingester, seq) NOT IN (SELECT ingester, seq FROM batch)) AS new
FROM (
    SELECT argMin(number, (number NOT IN (SELECT number FROM own), number)) AS number, site_id, event_id
    FROM arrivals GROUP BY site_id, event_id
);

-- name: duplicates
-- Select the duplicates, which are all other lines: the first write wins. A duplicate whose payload differs from the stored
-- event, or from the line that counts, is a conflict. Which import an event came with is no difference: exports may overlap.
SELECT lines.number,
       max(lines.name = stored.name AND lines.source = stored.source
           AND (lines.properties = stored.properties
                OR replaceRegexpAll(lines.properties, ',"\\$import":"[^"]*"|"\\$import":"[^"]*",?', '')
                 = replaceRegexpAll(stored.properties, ',"\\$import":"[^"]*"|"\\$import":"[^"]*",?', ''))
           AND lines.user_id <=> stored.user_id AND lines.session_id <=> stored.session_id
           AND lines.path <=> stored.path) = 0 AS conflict
FROM arrivals AS lines
JOIN (
    SELECT number, name, user_id, session_id, source, path, properties FROM twins
    UNION ALL
    SELECT arrivals.number, first_line.name, first_line.user_id, first_line.session_id, first_line.source,
           first_line.path, first_line.properties
    FROM first_lines
    JOIN arrivals AS first_line ON first_line.number = first_lines.number
    JOIN arrivals ON arrivals.site_id = first_lines.site_id AND arrivals.event_id = first_lines.event_id
    WHERE arrivals.number <> first_line.number
) AS stored ON stored.number = lines.number
WHERE lines.number NOT IN (SELECT number FROM first_lines WHERE new = 1)
GROUP BY lines.number ORDER BY lines.number;

-- name: insert_recent_ids
-- Remember the identities before their events: a worker that stops in between leaves rows that lead nowhere.
INSERT INTO recent_ids
SELECT hash, timestamp, received_at, now64(6, 'UTC') FROM arrivals
WHERE number IN (SELECT number FROM first_lines WHERE new = 1);

-- name: computed_columns
-- Select the columns of events that most events need not be parsed for, and the expressions that the table gives them by
-- default.
SELECT name, default_expression FROM system.columns
WHERE database = currentDatabase() AND table = 'events' AND default_kind = 'DEFAULT'
  AND name IN ('readable', 'joined_id', 'origin')
ORDER BY position;

-- name: insert_events
-- Insert the new events, all with one version: the time of this statement. The statement has the expressions of the columns
-- above, since a SELECT computes the branch of an `if` for the rows alone that take it, and a DEFAULT for all rows.
INSERT INTO events
    (event_id, site_id, name, timestamp, received_at, user_id, session_id, source, path, properties, ingester, seq,
     line, version, {computed_names})
SELECT event_id, site_id, name, timestamp, received_at, user_id, session_id, source, path, properties, ingester, seq,
       line, bitNot(toUInt64(toUnixTimestamp64Micro(now64(6, 'UTC')))),
       {computed_values}
FROM arrivals WHERE number IN (SELECT number FROM first_lines WHERE new = 1);

-- name: insert_bot_sites
-- Insert the sites that have a bot's event now. The key may be written with escapes, which only parsing finds.
INSERT INTO bot_sites
SELECT DISTINCT site_id FROM arrivals
WHERE (position(properties, '"$bot"') > 0
       OR (position(properties, '\\u') > 0 AND JSONExtractRaw(properties, '$bot') = 'true'))
  AND site_id NOT IN (SELECT site_id FROM bot_sites);

-- name: insert_dead_letters
-- Insert events and blocks that could not be loaded, with the reason.
INSERT INTO dead_letters
SELECT id, ingester, seq, place, base64Decode(original), code, reason, events, attempts, dead_at, 'dead',
       toUInt64(9223372036854775807 - id)
FROM input('id Int64, ingester String, seq Int64, place Int64, original String, code String, reason String, events Int64,
            attempts Int64, dead_at DateTime64(6, \'UTC\')')
FORMAT JSONEachRow;

-- name: insert_blocks
-- Insert the batch's blocks into the ledger, after all else.
INSERT INTO blocks (ingester, seq, count, stored, conflicts, dead, oldest, newest, loaded_at, settled, version, erased)
FORMAT JSONEachRow;

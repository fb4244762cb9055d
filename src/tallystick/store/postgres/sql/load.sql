-- The write path: the statements of one batch, in the order in which load.py runs them. Transactions lock rows in one
-- order (identities ascending, people ascending, blocks ascending), so that two never wait for each other both ways.

-- name: batch_tables
-- Create the temporary tables of a writing connection: a batch's rows, suspects among them, stored events like these.
CREATE TEMP TABLE incoming (
    line        integer     NOT NULL,
    event_id    uuid        NOT NULL,
    timestamp   timestamptz NOT NULL,
    received_at timestamptz NOT NULL,
    site_id     text        COLLATE "C" NOT NULL,
    name        text        COLLATE "C" NOT NULL,
    user_id     text        COLLATE "C",
    session_id  text        COLLATE "C",
    source      text        COLLATE "C" NOT NULL,
    path        text        COLLATE "C",
    properties  json        NOT NULL
);
CREATE TEMP TABLE suspects (
    line      integer     NOT NULL,
    first     integer     NOT NULL,     -- the first line of the batch with this identity
    event_id  uuid        NOT NULL,
    site_id   text        COLLATE "C" NOT NULL,
    timestamp timestamptz NOT NULL,
    known     timestamptz               -- the time that the identity is stored under, when the window knows it
) ON COMMIT DELETE ROWS;
CREATE TEMP TABLE twins (
    line       integer     NOT NULL,
    name       text        COLLATE "C" NOT NULL,
    user_id    text        COLLATE "C",
    session_id text        COLLATE "C",
    source     text        COLLATE "C" NOT NULL,
    path       text        COLLATE "C",
    properties text        COLLATE "C" NOT NULL
) ON COMMIT DELETE ROWS;

-- name: known_blocks
-- Select the blocks of a batch that the ledger has already (G2: a block that is delivered twice is skipped).
SELECT ingester, seq FROM blocks
WHERE (ingester, seq) IN (SELECT unnest($1::text[]), unnest($2::bigint[]));

-- name: compacted_seqs
-- Select for each ingester the seq below which its blocks are compacted. `folded` is the column's historical name.
SELECT ingester, folded FROM ledger_folded WHERE ingester = ANY($1::text[]);

-- name: begin
-- Take the lock of writers until the end of the transaction: a purge waits for it, and it for a purge. Find out whether
-- recent_ids is complete. Make the commit wait for the disk, whatever the server's default is (G3); levels above `on`
-- stay.
SELECT pg_advisory_xact_lock_shared($1, $2), EXISTS (SELECT FROM recent_state),
       CASE WHEN current_setting('synchronous_commit') IN ('off', 'local', 'remote_write')
            THEN set_config('synchronous_commit', 'on', true) END;

-- name: remember
-- Insert the batch's identities, each with the time of its first line. An identity of the window stays as it is; an
-- older one counts as new. Fewer rows than lines mean that some may have been stored before.
INSERT INTO recent_ids AS r (event_id, site_id, timestamp, received_at)
SELECT DISTINCT ON (event_id, site_id) event_id, site_id, timestamp, received_at FROM incoming
ORDER BY event_id, site_id, line
ON CONFLICT (event_id, site_id) DO UPDATE SET timestamp = excluded.timestamp, received_at = excluded.received_at
WHERE r.received_at < $1;

-- name: stored_between
-- Find out whether these sites have events between two instants.
SELECT EXISTS (SELECT FROM events WHERE site_id = ANY($1::text[]) AND timestamp BETWEEN $2 AND $3);

-- name: suspects
-- Select lines that may have been stored before: `remember` did not write their identity (xmin is the transaction that
-- wrote a row), they are in the batch twice, or their time is too old for the window.
INSERT INTO suspects
SELECT i.line, i.first, i.event_id, i.site_id, i.timestamp, r.timestamp
FROM (SELECT line, event_id, site_id, timestamp, min(line) OVER (PARTITION BY event_id, site_id) AS first
      FROM incoming) i
LEFT JOIN LATERAL (
    SELECT r.timestamp FROM recent_ids r
    WHERE r.event_id = i.event_id AND r.site_id = i.site_id AND r.xmin <> pg_current_xact_id()::xid LIMIT 1) r ON true
WHERE i.first <> i.line OR r.timestamp IS NOT NULL OR i.timestamp < $1;

-- name: suspects_range
SELECT min(least(timestamp, known)), max(greatest(timestamp, known)) FROM suspects;

-- name: twins
-- The stored events with a suspect's identity and its very time: known forever. The range leaves out partitions, LIMIT
-- makes it one look into an index for each suspect, whatever the planner thinks of the batch's size.
INSERT INTO twins
SELECT s.line, e.* FROM suspects s CROSS JOIN LATERAL (
    SELECT e.name, e.user_id, e.session_id, e.source, e.path, e.properties::text FROM events e
    WHERE e.site_id = s.site_id AND e.timestamp = s.timestamp AND e.event_id = s.event_id
      AND e.timestamp BETWEEN $1 AND $2 LIMIT 1) e;

-- name: twins_in_window
-- Select stored events with a suspect's identity and another time, known for the dedupe window.
INSERT INTO twins
SELECT s.line, e.* FROM suspects s CROSS JOIN LATERAL (
    SELECT e.name, e.user_id, e.session_id, e.source, e.path, e.properties::text FROM events e
    WHERE e.site_id = s.site_id AND e.timestamp = s.known AND e.event_id = s.event_id
      AND e.timestamp BETWEEN $1 AND $2 LIMIT 1) e
WHERE s.known <> s.timestamp AND NOT EXISTS (SELECT FROM twins t WHERE t.line = s.line);

-- name: twins_in_batch
-- Select the first event of each identity that is in this batch twice: it is the one that is stored.
INSERT INTO twins
SELECT s.line, f.name, f.user_id, f.session_id, f.source, f.path, f.properties::text
FROM suspects s JOIN incoming f ON f.line = s.first WHERE s.first <> s.line;

-- name: drop_duplicates
-- Delete from incoming what is stored already: the first write wins. A duplicate with another payload is a conflict.
WITH duplicates AS (
    SELECT i.line,
           NOT bool_or(i.name = t.name AND i.source = t.source AND i.properties::text = t.properties
                       AND i.user_id IS NOT DISTINCT FROM t.user_id
                       AND i.session_id IS NOT DISTINCT FROM t.session_id
                       AND i.path IS NOT DISTINCT FROM t.path) AS conflict
    FROM incoming i JOIN twins t ON t.line = i.line GROUP BY i.line)
DELETE FROM incoming i USING duplicates d WHERE i.line = d.line RETURNING d.line, d.conflict;

-- name: insert_events
INSERT INTO events (event_id, site_id, name, timestamp, received_at, user_id, session_id, source, path, properties)
SELECT event_id, site_id, name, timestamp, received_at, user_id, session_id, source, path, properties FROM incoming;

-- name: insert_rollup
WITH added AS (
    INSERT INTO rollup
    SELECT site_id, date_bin('15 minutes', timestamp, '2000-01-01Z') AS bucket, name, source, count(*), max(received_at)
    FROM incoming GROUP BY 1, 2, 3, 4 RETURNING bucket)
INSERT INTO appended SELECT 'rollup', date_bin('1 day', bucket, '2000-01-01Z'), count(*) FROM added GROUP BY 2;

-- name: insert_people
-- Insert which users were seen: by quarter hour, unless the row is there already (two batches at the same time may both
-- append it), and by day, once each. A user of a quarter hour is in its day too. The part in braces looks for the row.
WITH seen AS (
    SELECT DISTINCT site_id, date_bin('15 minutes', timestamp, '2000-01-01Z') AS bucket, user_id
    FROM incoming WHERE user_id IS NOT NULL
), added AS (
    INSERT INTO people
    SELECT s.site_id, s.bucket, s.user_id FROM seen s LEFT JOIN {people} WHERE p.user_id IS NULL
    RETURNING site_id, bucket, user_id
), counted AS (
    INSERT INTO appended SELECT 'people', date_bin('1 day', bucket, '2000-01-01Z'), count(*) FROM added GROUP BY 2
)
INSERT INTO people_days
SELECT DISTINCT site_id, (bucket AT TIME ZONE 'UTC')::date AS day, user_id FROM added ORDER BY 1, 2, 3
ON CONFLICT DO NOTHING;

-- name: people_near
-- Join all users of the batch's time at once: for a batch of a short time.
people p ON p.site_id = s.site_id AND p.bucket = s.bucket AND p.user_id = s.user_id
    AND p.site_id = ANY($1::text[]) AND p.bucket BETWEEN date_bin('15 minutes', $2, '2000-01-01Z') AND $3

-- name: people_far
-- Look up each user in the index, because of LIMIT: for a batch of a long time, in which there may be very many.
LATERAL (SELECT p.user_id FROM people p
    WHERE p.site_id = s.site_id AND p.bucket = s.bucket AND p.user_id = s.user_id LIMIT 1) p ON true

-- name: people_between
-- Count the rows that people_near would have to read, up to a limit.
SELECT count(*) FROM (
    SELECT FROM people WHERE site_id = ANY($1::text[])
      AND bucket BETWEEN date_bin('15 minutes', $2, '2000-01-01Z') AND $3 LIMIT $4) few;

-- name: insert_dead_letter
INSERT INTO dead_letters (ingester, seq, index, original, code, reason, events, attempts, dead_at, state)
SELECT *, $9::timestamptz, 'dead'
FROM unnest($1::text[], $2::bigint[], $3::integer[], $4::bytea[], $5::text[], $6::text[], $7::bigint[], $8::integer[]);

-- name: insert_blocks
-- Insert the blocks. Waits for another worker that writes one of them; fewer rows than blocks mean it was faster.
INSERT INTO blocks
SELECT * FROM (
    SELECT *, $8::timestamptz
    FROM unnest($1::text[], $2::bigint[], $3::bigint[], $4::bigint[], $5::bigint[], $6::bigint[], $7::bigint[])
) b ORDER BY 1, 2
ON CONFLICT DO NOTHING;

-- name: recent_days
-- Select the days that have events which arrived within the window.
SELECT DISTINCT date_bin('1 day', bucket, '2000-01-01Z') FROM rollup WHERE last_received >= $1 ORDER BY 1;

-- name: recent_rebuild
-- Insert one day, in ascending order, which fills the index quickly. Of an identity with two times any will do.
INSERT INTO recent_ids (event_id, site_id, timestamp, received_at)
SELECT event_id, site_id, timestamp, received_at FROM events
WHERE timestamp >= $1 AND timestamp < $1::timestamptz + interval '1 day' AND received_at >= $2
ORDER BY event_id, site_id
ON CONFLICT DO NOTHING;

-- name: sweep
-- Delete identities that arrived before the window, from some pages of the table. A row that a worker has locked is
-- left for the next round.
DELETE FROM recent_ids WHERE ctid = ANY (ARRAY(
    SELECT ctid FROM recent_ids
    WHERE ctid >= format('(%s,0)', $1::bigint)::tid AND ctid < format('(%s,0)', $2::bigint)::tid AND received_at < $3
    FOR UPDATE SKIP LOCKED));

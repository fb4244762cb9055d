-- The write path: the statements of one batch, in the order in which load.py runs them. Transactions lock rows in one
-- order (identities ascending, people ascending, blocks ascending), so that two of them cannot deadlock.

-- name: batch_tables
-- Create the temporary tables of a writing connection. Most batches use none of them.
CREATE TEMP TABLE arrivals (            -- the identities of a batch, when some of its events may be stored already
    line        integer     NOT NULL,
    event_id    uuid        NOT NULL,
    timestamp   timestamptz NOT NULL,
    received_at timestamptz NOT NULL,
    site_id     text        COLLATE "C" NOT NULL
) ON COMMIT DELETE ROWS;
CREATE TEMP TABLE incoming (            -- the events of a batch that are compared, or that may join ids
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
) ON COMMIT DELETE ROWS;
CREATE TEMP TABLE suspects (            -- see `suspects` below
    line      integer     NOT NULL,
    first     integer     NOT NULL,     -- the first line of the batch with this identity
    event_id  uuid        NOT NULL,
    site_id   text        COLLATE "C" NOT NULL,
    timestamp timestamptz NOT NULL,
    known     timestamptz               -- the time that the identity is stored under, when the window knows it
) ON COMMIT DELETE ROWS;
CREATE TEMP TABLE twins (               -- stored events with the identity of a suspect
    line       integer     NOT NULL,
    name       text        COLLATE "C" NOT NULL,
    user_id    text        COLLATE "C",
    session_id text        COLLATE "C",
    source     text        COLLATE "C" NOT NULL,
    path       text        COLLATE "C",
    properties text        COLLATE "C" NOT NULL
) ON COMMIT DELETE ROWS;

-- name: known_blocks
-- Select the batch's blocks that are already in the ledger (G2: a block that is delivered twice is skipped).
SELECT ingester, seq FROM blocks
WHERE (ingester, seq) IN (SELECT unnest($1::text[]), unnest($2::bigint[]));

-- name: compacted_seqs
-- Select for each ingester the seq below which its blocks are compacted. `folded` is the column's historical name.
SELECT ingester, folded FROM ledger_folded WHERE ingester = ANY($1::text[]);

-- name: begin
-- Take the lock of writers until the end of the transaction: a purge and a writer wait for each other. Select whether
-- recent_ids is complete. Make the commit wait for the disk, whatever the server's default is (G3); keep levels above
-- `on`.
SELECT pg_advisory_xact_lock_shared($1, $2), EXISTS (SELECT FROM recent_state),
       CASE WHEN current_setting('synchronous_commit') IN ('off', 'local', 'remote_write')
            THEN set_config('synchronous_commit', 'on', true) END;

-- name: remember
-- Insert the batch's identities, each with the time of its first line. An identity of the window stays as it is; an
-- older one counts as new. Fewer rows than lines mean that some may have been stored before.
INSERT INTO recent_ids (event_id, site_id, timestamp, received_at)
SELECT DISTINCT ON (site_id, event_id) event_id, site_id, timestamp, received_at FROM arrivals
ORDER BY site_id, event_id, line
ON CONFLICT (event_id, site_id) DO UPDATE SET timestamp = excluded.timestamp, received_at = excluded.received_at
WHERE recent_ids.received_at < $1;

-- name: stored_between
-- Select whether these sites have events between two times.
SELECT EXISTS (SELECT FROM events WHERE site_id = ANY($1::text[]) AND timestamp BETWEEN $2 AND $3);

-- name: suspects
-- Select lines that may have been stored before: `remember` did not write their identity (xmin is the transaction that
-- wrote a row), they are in the batch twice, or their time is too old for the window.
INSERT INTO suspects
SELECT lines.line, lines.first, lines.event_id, lines.site_id, lines.timestamp, recent.timestamp
FROM (SELECT line, event_id, site_id, timestamp, min(line) OVER (PARTITION BY event_id, site_id) AS first
      FROM arrivals) lines
LEFT JOIN LATERAL (
    SELECT recent_ids.timestamp FROM recent_ids
    WHERE recent_ids.event_id = lines.event_id AND recent_ids.site_id = lines.site_id
      AND recent_ids.xmin <> pg_current_xact_id()::xid LIMIT 1) recent ON true
WHERE lines.first <> lines.line OR recent.timestamp IS NOT NULL OR lines.timestamp < $1;

-- name: suspect_lines
-- Select the lines that are compared: the suspects, and the first line of each identity that is in the batch twice.
SELECT line FROM suspects UNION SELECT first FROM suspects ORDER BY 1;

-- name: suspects_range
-- Select the range of all times under which the suspects may be stored.
SELECT min(least(timestamp, known)), max(greatest(timestamp, known)) FROM suspects;

-- name: twins
-- Select stored events with a suspect's identity and time, known forever. The range excludes partitions. LIMIT makes it
-- one index lookup per suspect, whatever the planner estimates for the batch's size.
INSERT INTO twins
SELECT suspects.line, stored.* FROM suspects CROSS JOIN LATERAL (
    SELECT events.name, events.user_id, events.session_id, events.source, events.path, events.properties::text
    FROM events
    WHERE events.site_id = suspects.site_id AND events.timestamp = suspects.timestamp
      AND events.event_id = suspects.event_id AND events.timestamp BETWEEN $1 AND $2 LIMIT 1) stored;

-- name: twins_in_window
-- Select stored events with a suspect's identity and another time, known for the dedupe window.
INSERT INTO twins
SELECT suspects.line, stored.* FROM suspects CROSS JOIN LATERAL (
    SELECT events.name, events.user_id, events.session_id, events.source, events.path, events.properties::text
    FROM events
    WHERE events.site_id = suspects.site_id AND events.timestamp = suspects.known
      AND events.event_id = suspects.event_id AND events.timestamp BETWEEN $1 AND $2 LIMIT 1) stored
WHERE suspects.known <> suspects.timestamp AND NOT EXISTS (SELECT FROM twins WHERE twins.line = suspects.line);

-- name: twins_in_batch
-- Select the first event of each identity that is in this batch twice: it is the one that is stored.
INSERT INTO twins
SELECT suspects.line, first_event.name, first_event.user_id, first_event.session_id, first_event.source,
       first_event.path, first_event.properties::text
FROM suspects JOIN incoming first_event ON first_event.line = suspects.first WHERE suspects.first <> suspects.line;

-- name: duplicates
-- Select the lines of events that are already stored: the first write wins. A duplicate whose payload differs from the
-- stored event is a conflict. Which import an event came with is no difference: exports may overlap.
SELECT incoming.line,
       NOT bool_or(incoming.name = twins.name AND incoming.source = twins.source
                   AND (incoming.properties::text = twins.properties
                        OR without_import(incoming.properties::text) = without_import(twins.properties))
                   AND incoming.user_id IS NOT DISTINCT FROM twins.user_id
                   AND incoming.session_id IS NOT DISTINCT FROM twins.session_id
                   AND incoming.path IS NOT DISTINCT FROM twins.path) AS conflict
FROM incoming JOIN twins ON twins.line = incoming.line GROUP BY incoming.line;

-- name: insert_load
-- Insert the load that the batch's new events are, see upkeep/watermark.py.
INSERT INTO loads (oldest, newest, events) VALUES ($1, $2, $3) RETURNING load_id;

-- name: insert_bot_sites
-- Insert the sites that have a bot's event now. In order, so that two batches wait for each other and do not deadlock.
INSERT INTO bot_sites
SELECT site_id FROM unnest($1::text[]) AS new_sites (site_id)
WHERE site_id NOT IN (SELECT site_id FROM bot_sites)
ORDER BY 1 ON CONFLICT DO NOTHING;

-- name: insert_rollup
-- Append the batch's counts by quarter hour, and note the number of appended rows for compaction.
WITH added AS (
    INSERT INTO rollup
    SELECT site_id, bucket, name, source, events, last_received, bot
    FROM unnest($1::text[], $2::timestamptz[], $3::text[], $4::text[], $5::bigint[], $6::timestamptz[], $7::boolean[])
        AS counted (site_id, bucket, name, source, events, last_received, bot)
    RETURNING bucket
)
INSERT INTO appended SELECT 'rollup', date_bin('1 day', bucket, '2000-01-01Z'), count(*) FROM added GROUP BY 2;

-- name: people_state
-- Select what changes whenever rows of `people` are gone: retention and removed imports delete them and record it in the
-- transaction that does, a server that lacks the last transactions (a standby, a backup) has started since, and a
-- restored or emptied table has another file. The number of erasures is last.
SELECT pg_postmaster_start_time(), pg_relation_filenode('people'),
       (SELECT count(*) FROM purges), (SELECT count(*) FROM removals), (SELECT count(*) FROM erasures);

-- name: insert_people
-- Insert the users of each quarter hour, unless the row exists (two concurrent batches may both append it), and of each
-- day, once per day. A user of a quarter hour is in its day too. `bot` says that all events which a row stands for are
-- bots': a row without it may come later. LIMIT makes it one index lookup per user, whatever the planner estimates.
WITH added AS (
    INSERT INTO people
    SELECT quarters.site_id, quarters.bucket, seen.user_id, seen.bot
    FROM unnest($1::bigint[], $2::text[], $3::boolean[]) AS seen (quarter, user_id, bot)
    JOIN unnest($4::text[], $5::timestamptz[]) WITH ORDINALITY AS quarters (site_id, bucket, quarter) USING (quarter)
    LEFT JOIN LATERAL (
        SELECT people.user_id FROM people
        WHERE people.site_id = quarters.site_id AND people.bucket = quarters.bucket AND people.user_id = seen.user_id
          AND (seen.bot OR NOT people.bot) LIMIT 1
    ) AS known ON true
    WHERE known.user_id IS NULL
    RETURNING site_id, bucket, user_id, bot
), counted AS (
    INSERT INTO appended SELECT 'people', date_bin('1 day', bucket, '2000-01-01Z'), count(*) FROM added GROUP BY 2
)
INSERT INTO people_days
SELECT site_id, (bucket AT TIME ZONE 'UTC')::date AS day, user_id, bool_and(bot) FROM added GROUP BY 1, 2, 3 ORDER BY 1, 2, 3
ON CONFLICT DO NOTHING;

-- name: may_have_bots
-- Select whether these sites may have bots' events.
SELECT EXISTS (SELECT FROM bot_sites WHERE site_id = ANY($1::text[]));

-- name: correct_people_days
-- Users of whom a day has had only bots' events, and now has others. A statement of its own, which sees what another
-- batch inserted meanwhile. In order, so that two batches wait for each other and do not deadlock.
WITH wrong AS (
    SELECT people_days.site_id, people_days.day, people_days.user_id
    FROM people_days JOIN (
        SELECT DISTINCT site_id, (bucket AT TIME ZONE 'UTC')::date AS day, user_id
        FROM unnest($1::bigint[], $2::text[], $3::boolean[]) AS seen (quarter, user_id, bot)
        JOIN unnest($4::text[], $5::timestamptz[]) WITH ORDINALITY AS quarters (site_id, bucket, quarter) USING (quarter)
        WHERE NOT bot
    ) AS seen USING (site_id, day, user_id)
    WHERE people_days.bot
    ORDER BY 1, 2, 3 FOR UPDATE OF people_days
)
UPDATE people_days SET bot = false FROM wrong
WHERE people_days.site_id = wrong.site_id AND people_days.day = wrong.day AND people_days.user_id = wrong.user_id;

-- name: insert_dead_letter
-- Insert blocks that could not be loaded, with the reason.
INSERT INTO dead_letters (ingester, seq, index, original, code, reason, events, attempts, dead_at, state)
SELECT *, $9::timestamptz, 'dead'
FROM unnest($1::text[], $2::bigint[], $3::integer[], $4::bytea[], $5::text[], $6::text[], $7::bigint[], $8::integer[]);

-- name: insert_blocks
-- Insert the blocks. Waits for another worker that writes one of them; fewer rows than blocks mean that the other
-- worker was first.
INSERT INTO blocks (ingester, seq, count, stored, duplicates, conflicts, dead, erased, loaded_at)
SELECT * FROM (
    SELECT *, $9::timestamptz
    FROM unnest($1::text[], $2::bigint[], $3::bigint[], $4::bigint[], $5::bigint[], $6::bigint[], $7::bigint[], $8::bigint[])
) new_blocks ORDER BY 1, 2
ON CONFLICT DO NOTHING;

-- name: recent_days
-- Select the days with events that arrived within the window.
SELECT DISTINCT date_bin('1 day', bucket, '2000-01-01Z') FROM rollup WHERE last_received >= $1 ORDER BY 1;

-- name: recent_rebuild
-- Insert one day, in ascending order, which fills the index quickly. Of an identity with two times, either may remain.
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

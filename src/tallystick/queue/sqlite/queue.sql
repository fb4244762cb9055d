-- The embedded queue's file. `schema` runs at every open; the others are named statements.

-- name: schema
CREATE TABLE IF NOT EXISTS blocks (
    id          INTEGER PRIMARY KEY AUTOINCREMENT,  -- never reused, so that it is the order of publishing
    ingester    TEXT    NOT NULL,
    seq         INTEGER NOT NULL,
    count       INTEGER NOT NULL,                   -- events
    size        INTEGER NOT NULL,                   -- bytes of data
    enqueued_at REAL    NOT NULL,                   -- seconds since 1970
    data        BLOB    NOT NULL                    -- the block as encode_block made it
) STRICT;
CREATE TABLE IF NOT EXISTS ingesters (              -- the queue's side of the books
    ingester TEXT    PRIMARY KEY,
    next_seq INTEGER NOT NULL,
    events   INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS tally (                  -- one row: sums over the others, see tally.py
    id     INTEGER PRIMARY KEY,
    sealed BLOB    NOT NULL
) STRICT;

-- name: insert_block
INSERT INTO blocks (ingester, seq, count, size, enqueued_at, data) VALUES (?, ?, ?, ?, ?, ?);

-- name: count_published
INSERT INTO ingesters (ingester, next_seq, events) VALUES (?1, ?2 + 1, ?3)
ON CONFLICT (ingester) DO UPDATE SET next_seq = ?2 + 1, events = events + ?3;

-- name: delete_blocks
DELETE FROM blocks WHERE id BETWEEN ? AND ? RETURNING id, ingester, seq, count, size, enqueued_at;

-- name: set_tally
INSERT INTO tally VALUES (1, ?) ON CONFLICT (id) DO UPDATE SET sealed = excluded.sealed;

-- name: tally
SELECT sealed FROM tally WHERE id = 1;

-- name: tables
SELECT name FROM sqlite_schema WHERE type = 'table';

-- name: last_id
SELECT seq FROM sqlite_sequence WHERE name = 'blocks';

-- name: waiting
SELECT id, ingester, seq, count, size, enqueued_at FROM blocks ORDER BY id;

-- name: whole_blocks
SELECT id, ingester, seq, count, size, enqueued_at, data FROM blocks ORDER BY id;

-- name: restore_block
INSERT INTO blocks (id, ingester, seq, count, size, enqueued_at, data) VALUES (?, ?, ?, ?, ?, ?, ?);

-- name: forget_last_id
DELETE FROM sqlite_sequence WHERE name = 'blocks';

-- name: restore_last_id
INSERT INTO sqlite_sequence (name, seq) VALUES ('blocks', ?);

-- name: restore_ingester
INSERT INTO ingesters (ingester, next_seq, events) VALUES (?, ?, ?);

-- name: read_blocks
SELECT id, ingester, seq, count, data FROM blocks WHERE id BETWEEN ? AND ?;

-- name: oldest
SELECT enqueued_at FROM blocks ORDER BY id LIMIT 1;

-- name: published
SELECT ingester, next_seq, events FROM ingesters;

-- name: queued
SELECT ingester, seq, count FROM blocks ORDER BY id;

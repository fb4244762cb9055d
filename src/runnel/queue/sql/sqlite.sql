-- The embedded queue's file. `schema` runs at every open; the others are named statements.

-- name: schema
CREATE TABLE IF NOT EXISTS blocks (
    id          INTEGER PRIMARY KEY AUTOINCREMENT,  -- never used again, so that it stays the order of publishing
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

-- name: insert_block
INSERT INTO blocks (ingester, seq, count, size, enqueued_at, data) VALUES (?, ?, ?, ?, ?, ?);

-- name: count_published
INSERT INTO ingesters (ingester, next_seq, events) VALUES (?1, ?2 + 1, ?3)
ON CONFLICT (ingester) DO UPDATE SET next_seq = ?2 + 1, events = events + ?3;

-- name: delete_block
DELETE FROM blocks WHERE id = ?;

-- name: waiting
SELECT id, count, size FROM blocks ORDER BY id;

-- name: read_block
SELECT ingester, seq, count, data FROM blocks WHERE id = ?;

-- name: oldest
SELECT enqueued_at FROM blocks ORDER BY id LIMIT 1;

-- name: published
SELECT ingester, next_seq, events FROM ingesters;

-- name: queued
SELECT ingester, seq, count FROM blocks ORDER BY id;

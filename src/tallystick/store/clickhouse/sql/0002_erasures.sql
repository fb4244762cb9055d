-- Erased persons: tombstones with keyed hashes of their ids, receipts, and events that are not stored because of them.

ALTER TABLE blocks ADD COLUMN IF NOT EXISTS erased Int64 DEFAULT 0;
ALTER TABLE ledger_folded ADD COLUMN IF NOT EXISTS erased Int64 DEFAULT 0;

-- The key of the hashes, as hexadecimal digits; made at the first erasure. Two processes may make one each: hashes of both
-- are looked for.
CREATE TABLE IF NOT EXISTS erasure_keys (
    key     String,
    made_at DateTime64(6, 'UTC')
) ENGINE = MergeTree
ORDER BY made_at
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1, non_replicated_deduplication_window = 0;

-- An erased id. An erasure of a person has a row for each id. Rows are only added: a writer that knows their number knows
-- them all.
CREATE TABLE IF NOT EXISTS tombstones (
    site_id   String,
    digest    String,                   -- keyed hash of site and user id
    erased_at DateTime64(6, 'UTC'),     -- events that were received until then are not stored
    until     DateTime64(6, 'UTC'),     -- nor are those that happened until then
    blocked   Bool                      -- nor any other
) ENGINE = MergeTree
ORDER BY (site_id, digest)
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1, non_replicated_deduplication_window = 0;

-- Receipts. One that is not done is of an erasure that has not ended.
CREATE TABLE IF NOT EXISTS erasures (
    id           String,
    site_id      String,
    digest       String,                -- of the id that was given
    erased_at    DateTime64(6, 'UTC'),
    until        DateTime64(6, 'UTC'),
    blocked      Bool,
    ids          Int64,
    events       Int64,
    sessions     Int64,
    dead_letters Int64,
    first        Nullable(DateTime64(6, 'UTC')),    -- event times; NULL: there was no event
    last         Nullable(DateTime64(6, 'UTC')),
    done         UInt8
) ENGINE = ReplacingMergeTree(done)
ORDER BY id
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1, non_replicated_deduplication_window = 0;

-- The ids of persons that are being erased. They are deleted when the erasure has ended.
CREATE TABLE IF NOT EXISTS erasing (
    erasure String,
    site_id String,
    user_id String,
    since   DateTime64(6, 'UTC')
) ENGINE = MergeTree
ORDER BY (erasure, site_id, user_id)
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1, non_replicated_deduplication_window = 0;

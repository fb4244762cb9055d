-- Sessions by UTC day: what the events of one day say of each session, built when no event of the day has come for a while
-- (upkeep/session_days.py). A query puts the rows of a session together, with the events of the days that are not built.
-- Each build of a day is a partition of its own, and counts only while `session_days` names it.
CREATE TABLE IF NOT EXISTS session_parts (
    build        UInt64                 CODEC(LZ4),
    site_id      LowCardinality(String),
    session_key  UInt128                CODEC(LZ4),     -- a hash of site and session_id
    first_at     DateTime64(6, 'UTC')   CODEC(T64, LZ4),
    last_at      DateTime64(6, 'UTC')   CODEC(T64, LZ4),
    events       UInt32                 CODEC(T64, LZ4),
    pages        UInt32                 CODEC(T64, LZ4),
    leaves       UInt32                 CODEC(T64, LZ4),
    bot_events   UInt32                 CODEC(T64, LZ4),
    entry_order  UInt128                CODEC(ZSTD(1)), -- places of the entry and the exit event among all of the session
    exit_order   UInt128                CODEC(ZSTD(1)),
    entry_path   String                 CODEC(ZSTD(1)), -- '=' and the path; empty: the event has none
    exit_path    String                 CODEC(ZSTD(1)),
    entry_name   LowCardinality(String),
    entry_source LowCardinality(String),
    entry_origin LowCardinality(String)
) ENGINE = MergeTree
PARTITION BY build
ORDER BY (site_id, first_at, session_key)
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1, non_replicated_deduplication_window = 0;

-- The builds that count. The row of a day stays when its build does not count any more, with build = 0, so that it is
-- known when the day was built last.
CREATE TABLE IF NOT EXISTS session_days (
    day         Date,
    build       UInt64,                 -- 0: none
    parts       String,                 -- a hash of the parts of `events` that the build was made of, see sql/session_days.sql
    content     String,                 -- a hash of the day's events
    sessions    Int64,                  -- rows of the build
    rules       String,                 -- a hash of the statement that made it
    built_at    DateTime64(6, 'UTC'),
    version     UInt64
) ENGINE = ReplacingMergeTree(version)
ORDER BY day
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1, non_replicated_deduplication_window = 0;

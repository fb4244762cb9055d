-- How long events of a site are kept, in the place of TALLYSTICK_RETENTION_DAYS. What was removed by them: `removals`, kind
-- `retention`, with its site.

CREATE TABLE IF NOT EXISTS retention_rules (
    site_id String,
    days    Nullable(Int32),            -- NULL: for ever
    version UInt64,
    gone    UInt8
) ENGINE = ReplacingMergeTree(version, gone)
ORDER BY site_id
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1, non_replicated_deduplication_window = 0;

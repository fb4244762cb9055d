-- Fewer bytes an event: ids, names and lines by ZSTD, and in larger blocks. `event_id` is random: nothing makes it smaller.
-- Old parts change when they are merged.
-- `entry_order` and `exit_order` of new builds are without the times that `first_at` and `last_at` say
-- (upkeep/session_days_sql.py). Builds of before have other rules, and do not count any more.

ALTER TABLE events
    MODIFY COLUMN event_id CODEC(NONE),
    MODIFY COLUMN name CODEC(ZSTD(1)),
    MODIFY COLUMN user_id CODEC(ZSTD(3)),
    MODIFY COLUMN session_id CODEC(ZSTD(3)),
    MODIFY COLUMN source CODEC(ZSTD(1)),
    MODIFY COLUMN line CODEC(T64, ZSTD(1)),
    MODIFY COLUMN user_key CODEC(ZSTD(1));

ALTER TABLE events MODIFY SETTING min_compress_block_size = 524288;

ALTER TABLE session_parts
    MODIFY COLUMN entry_name CODEC(ZSTD(1)),
    MODIFY COLUMN entry_source CODEC(ZSTD(1)),
    MODIFY COLUMN entry_origin CODEC(ZSTD(1));

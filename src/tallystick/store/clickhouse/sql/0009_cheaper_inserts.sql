-- Cheaper inserts: ids of users and sessions by the fastest level of ZSTD, and no statistics of the columns of recent_ids,
-- which no statement has a use for. Old parts change when they are merged.

ALTER TABLE events
    MODIFY COLUMN user_id CODEC(ZSTD(1)),
    MODIFY COLUMN session_id CODEC(ZSTD(1));

ALTER TABLE recent_ids MODIFY SETTING auto_statistics_types = '';

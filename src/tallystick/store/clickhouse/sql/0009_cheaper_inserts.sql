-- Cheaper inserts: ids of users and sessions by the fastest level of ZSTD, and no statistics of columns, which inserts and
-- merges computed for every column and no statement of ours is faster by. Old parts change when they are merged.

ALTER TABLE events
    MODIFY COLUMN user_id CODEC(ZSTD(1)),
    MODIFY COLUMN session_id CODEC(ZSTD(1));

ALTER TABLE events MODIFY SETTING auto_statistics_types = '';

ALTER TABLE recent_ids MODIFY SETTING auto_statistics_types = '';

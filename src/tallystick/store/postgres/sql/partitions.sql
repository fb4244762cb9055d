-- Partitions of `events`. partitions.py fills in the names and dates of a day.

-- name: existing
SELECT c.relname FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid WHERE i.inhparent = 'events'::regclass;

-- name: make
CREATE TABLE {name} (LIKE events INCLUDING DEFAULTS INCLUDING STORAGE);

-- name: attach
-- Attach a partition, which creates its indexes too. Locks `events` only against other schema changes.
ALTER TABLE events ATTACH PARTITION {name} FOR VALUES FROM ('{start}') TO ('{end}');

-- name: detach
ALTER TABLE events DETACH PARTITION {name};

-- name: drop
DROP TABLE {name};

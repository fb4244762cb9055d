-- Partitions of `events`. What stands in braces are names and dates that partitions.py makes of a day's number.

-- name: existing
SELECT c.relname FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid WHERE i.inhparent = 'events'::regclass;

-- name: make
CREATE TABLE {name} (LIKE events INCLUDING DEFAULTS INCLUDING STORAGE);

-- name: attach
-- Makes the indexes too. Locks `events` against nothing but other changes of its form.
ALTER TABLE events ATTACH PARTITION {name} FOR VALUES FROM ('{start}') TO ('{end}');

-- name: detach
ALTER TABLE events DETACH PARTITION {name};

-- name: drop
DROP TABLE {name};

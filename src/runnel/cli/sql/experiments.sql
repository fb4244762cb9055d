-- Statements of `runnel bench experiments`: the tables that are compared, what is asked of both, and how a day is removed.

-- name: start
DROP SCHEMA IF EXISTS runnel_experiment CASCADE;
CREATE SCHEMA runnel_experiment;

-- name: flat
CREATE TABLE runnel_experiment.flat (LIKE events);
CREATE UNIQUE INDEX ON runnel_experiment.flat (site_id, timestamp, event_id);

-- name: partitioned
CREATE TABLE runnel_experiment.partitioned (LIKE events) PARTITION BY RANGE (timestamp);
CREATE UNIQUE INDEX ON runnel_experiment.partitioned (site_id, timestamp, event_id);

-- name: partition
CREATE TABLE runnel_experiment.day_{n} PARTITION OF runnel_experiment.partitioned
FOR VALUES FROM ('{first}') TO ('{end}');

-- name: copy_rows
INSERT INTO runnel_experiment.{table} SELECT * FROM events ORDER BY site_id, timestamp, event_id;

-- name: settle
VACUUM ANALYZE runnel_experiment.{table};

-- name: hour
SELECT name, count(*) FROM runnel_experiment.{table}
WHERE site_id = $1 AND timestamp >= $2 AND timestamp < $2 + interval '1 hour' GROUP BY name;

-- name: day_paths
SELECT path, count(*) FROM runnel_experiment.{table}
WHERE timestamp >= $1 AND timestamp < $1 + interval '1 day' GROUP BY path ORDER BY 2 DESC LIMIT 10;

-- name: delete_day
DELETE FROM runnel_experiment.flat WHERE timestamp >= $1 AND timestamp < $1 + interval '1 day';

-- name: drop_day
ALTER TABLE runnel_experiment.partitioned DETACH PARTITION runnel_experiment.day_0;
DROP TABLE runnel_experiment.day_0;

-- name: some_rows
SELECT * FROM events ORDER BY timestamp LIMIT $1;

-- name: empty
TRUNCATE runnel_experiment.flat;

-- name: insert_row
INSERT INTO runnel_experiment.flat VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10);

-- name: end
DROP SCHEMA runnel_experiment CASCADE;

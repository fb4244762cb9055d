-- Statements of `tallystick bench experiments`: the tables that are compared, the queries on both, how a day is removed.

-- name: start
DROP SCHEMA IF EXISTS tallystick_experiment CASCADE;
CREATE SCHEMA tallystick_experiment;

-- name: flat
CREATE TABLE tallystick_experiment.flat (LIKE events);
CREATE UNIQUE INDEX ON tallystick_experiment.flat (site_id, timestamp, event_id);

-- name: partitioned
CREATE TABLE tallystick_experiment.partitioned (LIKE events) PARTITION BY RANGE (timestamp);
CREATE UNIQUE INDEX ON tallystick_experiment.partitioned (site_id, timestamp, event_id);

-- name: partition
CREATE TABLE tallystick_experiment.day_{n} PARTITION OF tallystick_experiment.partitioned
FOR VALUES FROM ('{first}') TO ('{end}');

-- name: copy_rows
INSERT INTO tallystick_experiment.{table} SELECT * FROM events ORDER BY site_id, timestamp, event_id;

-- name: settle
VACUUM ANALYZE tallystick_experiment.{table};

-- name: hour
SELECT name, count(*) FROM tallystick_experiment.{table}
WHERE site_id = $1 AND timestamp >= $2 AND timestamp < $2 + interval '1 hour' GROUP BY name;

-- name: day_paths
SELECT path, count(*) FROM tallystick_experiment.{table}
WHERE timestamp >= $1 AND timestamp < $1 + interval '1 day' GROUP BY path ORDER BY 2 DESC LIMIT 10;

-- name: delete_day
DELETE FROM tallystick_experiment.flat WHERE timestamp >= $1 AND timestamp < $1 + interval '1 day';

-- name: drop_day
ALTER TABLE tallystick_experiment.partitioned DETACH PARTITION tallystick_experiment.day_0;
DROP TABLE tallystick_experiment.day_0;

-- name: some_rows
SELECT * FROM events ORDER BY timestamp LIMIT $1;

-- name: empty
TRUNCATE tallystick_experiment.flat;

-- name: insert_row
INSERT INTO tallystick_experiment.flat VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11);

-- name: end
DROP SCHEMA tallystick_experiment CASCADE;

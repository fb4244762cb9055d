-- Columns of frequent properties: which there are, and which keys are frequent.

-- name: columns
-- Select the keys that have columns, and whether a column is a dictionary. A column's comment is its key.
SELECT comment, startsWith(type, 'LowCardinality')
FROM system.columns
WHERE database = currentDatabase() AND table = {table:String} AND default_kind = 'MATERIALIZED' AND match(name, '^p[0-9]+$');

-- name: frequent
-- Of the newest events, select each key with the share of events that have it, the average size of its values and how many
-- different ones there are, the most frequent first.
WITH newest AS (
    SELECT event_id, properties
    FROM events FINAL
    WHERE timestamp >= coalesce(
        (SELECT timestamp FROM events FINAL ORDER BY timestamp DESC LIMIT 1 OFFSET {rows:UInt32}),
        toDateTime64('1900-01-01 00:00:00', 6, 'UTC'))
),
properties_of_events AS (
    SELECT event_id, arrayJoin(JSONExtractKeysAndValuesRaw(properties)) AS property
    FROM newest
)
SELECT
    property.1 AS key,
    uniqExact(event_id) / (SELECT count() FROM newest) AS share,
    avg(length(property.2)) AS size,
    uniq(property.2) AS different_values
FROM properties_of_events
GROUP BY key
ORDER BY share DESC, key;

-- Remove events: by their age, of every site or of one, or by what they are, those of an import. (A person's: erasure.sql.) A removal is written down before its events go.

-- name: imports
-- Sum up what is stored of each import.
SELECT JSONExtractString(properties, '$import') AS import_id, toString(site_id) AS site, toInt64(count()), min(timestamp),
       max(timestamp), min(received_at), max(received_at) AS ended
FROM events FINAL
WHERE position(properties, '"$import"') > 0 AND import_id <> ''
  AND ({import_id:Nullable(String)} IS NULL OR import_id = {import_id:Nullable(String)})
GROUP BY import_id, site ORDER BY ended DESC, import_id, site;

-- name: removals
SELECT removed_at, subject, site, events FROM removals FINAL
ARRAY JOIN sites AS site, counts AS events
WHERE kind = 'import' AND subject = {import_id:String} AND events > 0 ORDER BY removed_at, site;

-- name: days
-- Count the events of an import by day.
SELECT toUnixTimestamp(toStartOfDay(timestamp, 'UTC')) * 1000000 AS start, toInt64(count()) FROM events FINAL
WHERE position(properties, '"$import"') > 0 AND JSONExtractString(properties, '$import') = {import_id:String}
  AND ({site:Nullable(String)} IS NULL OR site_id = {site:Nullable(String)})
GROUP BY start ORDER BY start;

-- name: count_purge
-- Count the events between two times, by site.
SELECT toString(site_id) AS site, toInt64(count()) FROM events FINAL
WHERE timestamp >= {first:DateTime64(6, 'UTC')} AND timestamp < {until:DateTime64(6, 'UTC')} GROUP BY site ORDER BY site;

-- name: count_retention
-- Count a site's events between two times.
SELECT toString(site_id) AS site, toInt64(count()) FROM events FINAL
WHERE timestamp >= {first:DateTime64(6, 'UTC')} AND timestamp < {until:DateTime64(6, 'UTC')} AND site_id = {site:String}
GROUP BY site;

-- name: old_days
-- Count the events before a time by site and UTC day.
SELECT toString(site_id) AS site, toUnixTimestamp(toStartOfDay(timestamp, 'UTC')) * 1000000 AS start, toInt64(count())
FROM events FINAL WHERE timestamp < {before:DateTime64(6, 'UTC')} GROUP BY site, start ORDER BY start, site;

-- name: count_import
-- Count the events of an import between two times, by site.
SELECT toString(site_id) AS site, toInt64(count()) FROM events FINAL
WHERE timestamp >= {first:DateTime64(6, 'UTC')} AND timestamp < {until:DateTime64(6, 'UTC')}
  AND position(properties, '"$import"') > 0 AND JSONExtractString(properties, '$import') = {subject:String}
  AND ({site:Nullable(String)} IS NULL OR site_id = {site:Nullable(String)})
GROUP BY site ORDER BY site;

-- name: count_erasure
-- Count a person's events, by site: those of blocks whose counts are facts. Events of other blocks are not counted yet.
SELECT toString(events.site_id) AS site, toInt64(count())
FROM (
    SELECT site_id, toString(ingester) AS ingester, seq FROM events FINAL
    WHERE user_id IS NOT NULL AND (toString(site_id), assumeNotNull(user_id)) IN (
        SELECT site_id, user_id FROM erasing WHERE erasure = {erasure:String})
) AS events
LEFT JOIN (SELECT ingester, folded FROM ledger_folded FINAL) AS compacted ON compacted.ingester = events.ingester
WHERE events.seq < coalesce(compacted.folded, 0)
   OR (events.ingester, events.seq) IN (SELECT ingester, seq FROM blocks FINAL WHERE settled = 1)
GROUP BY site ORDER BY site;

-- name: lost_links
-- Select the joined ids whose event was between two times and is gone.
SELECT site_id, user_id FROM identities FINAL
WHERE linked_at >= {first:DateTime64(6, 'UTC')} AND linked_at < {until:DateTime64(6, 'UTC')}
  AND (site_id, user_id, linked_at, event_id) NOT IN (
    SELECT site_id, assumeNotNull(joined_id), timestamp, event_id FROM events FINAL
    WHERE timestamp >= {first:DateTime64(6, 'UTC')} AND timestamp < {until:DateTime64(6, 'UTC')} AND joined_id IS NOT NULL);

-- name: delete_purge
-- Delete the events between two times. A DELETE keeps its parameters as texts, so that instants are numbers here.
DELETE FROM {events}
WHERE timestamp >= fromUnixTimestamp64Micro({first_us:Int64}, 'UTC') AND timestamp < fromUnixTimestamp64Micro({until_us:Int64}, 'UTC');

-- name: delete_retention
-- Delete a site's events between two times.
DELETE FROM {events}
WHERE timestamp >= fromUnixTimestamp64Micro({first_us:Int64}, 'UTC') AND timestamp < fromUnixTimestamp64Micro({until_us:Int64}, 'UTC')
  AND site_id = {site:String};

-- name: delete_import
-- Delete the events of an import between two times.
DELETE FROM {events}
WHERE timestamp >= fromUnixTimestamp64Micro({first_us:Int64}, 'UTC') AND timestamp < fromUnixTimestamp64Micro({until_us:Int64}, 'UTC')
  AND position(properties, '"$import"') > 0 AND JSONExtractString(properties, '$import') = {subject:String}
  AND ({site:Nullable(String)} IS NULL OR site_id = {site:Nullable(String)});

-- name: partitions_before
-- Select the partitions on a server, YYYYMMDD, of days before a day.
SELECT DISTINCT partition_id FROM system.parts
WHERE database = currentDatabase() AND table = {table:String} AND active AND partition_id < {day:String};

-- name: write_down
INSERT INTO removals (id, removed_at, kind, subject, site_id, first, until, sites, counts, done) FORMAT JSONEachRow;

-- name: removed
-- Sum up what the finished removals removed. Not by sumIf: server/session.py, CLUSTER_SESSION.
SELECT toInt64(coalesce(sum(if(done = 1, arraySum(counts), NULL)), 0)) FROM removals FINAL;

-- name: unfinished
-- Select the removals that stopped in between.
SELECT id, removed_at, kind, subject, site_id, first, until, sites, counts FROM removals FINAL WHERE done = 0;

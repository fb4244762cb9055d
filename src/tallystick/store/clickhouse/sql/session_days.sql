-- Sessions built by day: which builds count, and what they are made of. See upkeep/session_days.py.

-- name: known
-- Select the builds, and when each day was built last.
SELECT toString(toYYYYMMDD(day)), toUnixTimestamp(toDateTime(day, 'UTC')), build, parts, content, sessions, rules,
       toUnixTimestamp64Micro(built_at)
FROM session_days FINAL ORDER BY day;

-- name: parts
-- Select what a server has: of each partition of the two tables a hash of its parts, its rows, the seconds since it changed.
-- A part never changes: a deletion makes new parts, a merge too. The same parts are therefore the same rows. A name may come
-- again after a restart, but not with the same content.
SELECT table = {events:String} AS of_events, partition_id,
       lower(hex(sipHash128(arrayStringConcat(arraySort(groupArray(concat(name, ' ', hash_of_all_files))), ',')))),
       toInt64(sum(rows)), toInt64(dateDiff('second', max(modification_time), now()))
FROM system.parts
WHERE database = currentDatabase() AND active AND table IN ({events:String}, {sessions:String})
  AND (table = {sessions:String} OR partition_id BETWEEN {first:String} AND {last:String})
GROUP BY table, partition_id;

-- name: today
-- Select the server's UTC day, as partitions are named.
SELECT toString(toYYYYMMDD(now('UTC')));

-- name: content
-- Select a hash of the events of a day, how many they are, and how many have a session.
SELECT concat(toString(count()), ' ', toString(groupBitXor(cityHash64(
           site_id, timestamp, event_id, version, ingester, seq, line)))),
       toInt64(count()), toInt64(countIf(session_id IS NOT NULL))
FROM events FINAL
WHERE timestamp >= toDateTime64({first:Int64}, 6, 'UTC') AND timestamp < toDateTime64({until:Int64}, 6, 'UTC');

-- name: counted
-- Count the sessions of a build, and their events.
SELECT toInt64(count()), toInt64(coalesce(sum(events), 0)) FROM session_parts WHERE build = {build:UInt64};

-- name: enter
-- Enter a build of a day, or that it has none (0).
INSERT INTO session_days (day, build, parts, content, sessions, rules, built_at, version)
SELECT toDate(toDateTime({first:Int64}, 'UTC')), {build:UInt64}, {parts:String}, {content:String}, {sessions:Int64},
       {rules:String}, if({built_us:Int64} = 0, now64(6, 'UTC'), fromUnixTimestamp64Micro({built_us:Int64}, 'UTC')),
       {version:UInt64};

-- Counts of values by day. `{condition}` says which events.

-- name: fields
SELECT field, generation, has_counts FROM counted_fields;

-- name: generation
SELECT generation FROM counted_fields WHERE field = $1 AND has_counts;

-- name: frequent_keys
-- Select the keys that a hundredth of some of the newest events have, the most frequent first, without those that have a
-- value of more than $2 characters. A dot may be a path into an object.
WITH newest AS MATERIALIZED (
    SELECT properties FROM events
    WHERE timestamp >= (SELECT max(bucket) FROM rollup) - interval '1 day'
    ORDER BY timestamp DESC LIMIT $1
)
SELECT key FROM newest CROSS JOIN LATERAL json_each(properties)
WHERE length(key) BETWEEN 1 AND 100 AND strpos(key, '.') = 0
GROUP BY key HAVING count(*) >= 0.01 * (SELECT count(*) FROM newest) AND max(length(value::text)) <= $2
ORDER BY count(*) DESC, key COLLATE "C";

-- name: stored_events
SELECT coalesce(sum(events), 0)::bigint FROM (SELECT events FROM rollup LIMIT $1) AS first_rows;

-- name: add_field
INSERT INTO counted_fields VALUES ($1, $2, true) ON CONFLICT DO NOTHING;

-- name: cover
-- Add the counts of some events: of their paths if $2, and of the properties with the keys $1. The JSON text of a value
-- is read once for each of its groups. Select how many rows each field takes, how long its longest
-- value is, and how many events there are.
WITH path_counts AS MATERIALIZED (
    SELECT site_id, date_bin('15 minutes', timestamp, '2000-01-01Z') AS bucket, name, source, is_bot(properties) AS bot,
           CASE WHEN $2::boolean THEN path END AS value, count(*) AS events
    FROM events WHERE {condition} GROUP BY 1, 2, 3, 4, 5, 6
), totals AS MATERIALIZED (
    SELECT site_id, bucket, name, source, bot, sum(events)::bigint AS events FROM path_counts GROUP BY 1, 2, 3, 4, 5
), json_counts AS MATERIALIZED (
    SELECT site_id, date_bin('15 minutes', timestamp, '2000-01-01Z') AS bucket, name, source, is_bot(properties) AS bot,
           key COLLATE "C" AS key, value::text COLLATE "C" AS json, count(*) AS events
    FROM events CROSS JOIN LATERAL json_each(properties)
    WHERE ({condition}) AND key = ANY($1::text[]) GROUP BY 1, 2, 3, 4, 5, 6, 7
), property_counts AS MATERIALIZED (
    SELECT site_id, bucket, name, source, bot, 'properties.' || key AS field, json_text(json::json) COLLATE "C" AS value,
           CASE WHEN left(json, 1) = '"' THEN 1 WHEN left(json, 1) IN ('t', 'f') THEN 3
                WHEN left(json, 1) IN ('[', '{{') THEN 4 ELSE 2 END::smallint AS kind,
           events
    FROM json_counts WHERE json <> 'null'
), counts AS (
    SELECT site_id, bucket, name, source, bot, 'path' AS field, value,
           CASE WHEN value IS NOT NULL THEN 1::smallint END AS kind, events
    FROM path_counts WHERE $2
    UNION ALL
    SELECT site_id, bucket, name, source, bot, field, value, kind, events FROM property_counts
    UNION ALL
    SELECT site_id, bucket, name, source, bot, field, NULL, NULL, totals.events - coalesce(with_key.events, 0)
    FROM totals CROSS JOIN (SELECT 'properties.' || unnest($1::text[]) COLLATE "C" AS field) AS fields
    LEFT JOIN (
        SELECT site_id, bucket, name, source, bot, field, sum(events)::bigint AS events
        FROM property_counts GROUP BY 1, 2, 3, 4, 5, 6
    ) AS with_key USING (site_id, bucket, name, source, bot, field)
    WHERE totals.events > coalesce(with_key.events, 0)
), quarter_counts AS (
    SELECT site_id, (bucket AT TIME ZONE 'UTC')::date AS day, field, name, source, bot, value, kind,
           (extract(epoch FROM bucket) / 900)::bigint % 96 AS quarter, sum(events)::bigint AS events
    FROM counts GROUP BY 1, 2, 3, 4, 5, 6, 7, 8, 9
), inserted AS (
    INSERT INTO value_counts
    SELECT site_id, day, field, name, source, bot, value, kind, sum(events)::bigint,
           array_agg(quarter::smallint ORDER BY quarter), array_agg(events::integer ORDER BY quarter)
    FROM quarter_counts GROUP BY 1, 2, 3, 4, 5, 6, 7, 8 ORDER BY site_id, field, day
    RETURNING field, value
)
SELECT field, count(*), coalesce(max(length(value)), 0), (SELECT sum(events) FROM totals)::bigint
FROM inserted GROUP BY field;

-- name: leave_out
-- Do not count these fields any more.
UPDATE counted_fields SET has_counts = false WHERE field = ANY($1::text[]);

-- name: delete_fields
DELETE FROM value_counts WHERE field = ANY($1::text[]);

-- name: purge
DELETE FROM value_counts WHERE field = ANY($1::text[]) AND day < ($2::timestamptz AT TIME ZONE 'UTC')::date;

-- name: delete_day
-- Delete the rows of the day that a purge cuts.
DELETE FROM value_counts WHERE field = ANY($1::text[]) AND day = ($2::timestamptz AT TIME ZONE 'UTC')::date;

-- name: delete_removed
-- Delete the rows of the sites' days that events were removed from.
DELETE FROM value_counts USING (
    SELECT DISTINCT site_id, (timestamp AT TIME ZONE 'UTC')::date AS day FROM removed
) AS days
WHERE value_counts.field = ANY($1::text[]) AND value_counts.site_id = days.site_id AND value_counts.day = days.day;

-- name: days
SELECT DISTINCT day::timestamp AT TIME ZONE 'UTC' FROM value_counts WHERE field = ANY($1::text[]);

-- name: verify
-- Count counts of a field's values on a day that differ from the events that are counted.
SELECT count(*) FROM (
    SELECT site_id, field, name, source, bot, value, kind, quarter, sum(counted) AS events
    FROM value_counts CROSS JOIN LATERAL unnest(quarters, counts) AS counted_quarters(quarter, counted)
    WHERE field = $1 AND day = ($2::timestamptz AT TIME ZONE 'UTC')::date
    GROUP BY 1, 2, 3, 4, 5, 6, 7, 8
    UNION ALL
    SELECT site_id, field, name, source, bot, value, kind, NULL, sum(events)
    FROM value_counts WHERE field = $1 AND day = ($2::timestamptz AT TIME ZONE 'UTC')::date
    GROUP BY 1, 2, 3, 4, 5, 6, 7
) AS kept FULL JOIN (
    SELECT site_id, $1 COLLATE "C" AS field, name, source, is_bot(properties) AS bot, {value} AS value, {kind} AS kind,
           quarter, count(*) AS events
    FROM events CROSS JOIN LATERAL (VALUES
        ((extract(epoch FROM date_bin('15 minutes', timestamp, '2000-01-01Z')) / 900)::bigint % 96), (NULL)
    ) AS quarters(quarter)
    WHERE timestamp >= $2 AND timestamp < $2::timestamptz + interval '1 day' AND ({condition})
    GROUP BY 1, 2, 3, 4, 5, 6, 7, 8
) AS expected ON kept.site_id = expected.site_id AND kept.name = expected.name AND kept.source = expected.source
    AND kept.bot = expected.bot AND coalesce(kept.value, '') = coalesce(expected.value, '')
    AND coalesce(kept.kind, 0) = coalesce(expected.kind, 0) AND coalesce(kept.quarter, -1) = coalesce(expected.quarter, -1)
WHERE kept.events IS DISTINCT FROM expected.events;

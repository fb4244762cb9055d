-- Watermarks: how far what housekeeping builds from events has come.

-- name: place_loads
-- Give the loads that are committed their places. Housekeeping runs this alone, so that no two loads get the same place.
UPDATE loads SET place = nextval('load_places')
FROM (SELECT load_id FROM loads WHERE place IS NULL ORDER BY load_id) AS seen
WHERE seen.load_id = loads.load_id;

-- name: last_place
SELECT CASE WHEN is_called THEN last_value ELSE 0 END FROM load_places;

-- name: read
SELECT place, built_before FROM upkeep_marks WHERE name = $1 AND rules = $2;

-- name: set
INSERT INTO upkeep_marks VALUES ($1, $2, $3, $4)
ON CONFLICT (name) DO UPDATE
SET rules = excluded.rules, place = excluded.place, built_before = excluded.built_before;

-- name: reset
DELETE FROM upkeep_marks WHERE name = $1;

-- name: pending
-- Select the loads after a place, in the order in which they are covered.
SELECT load_id, oldest, newest, events, place FROM loads WHERE place IS NULL OR place > $1
ORDER BY place NULLS LAST, load_id;

-- name: first_bucket
-- Select the first quarter hour that has events, of those from a time on. In the day from there it is found by its index.
SELECT coalesce(
    (SELECT min(bucket) FROM rollup WHERE bucket >= $1 AND bucket < $1::timestamptz + interval '1 day'),
    (SELECT min(bucket) FROM rollup WHERE bucket >= $1)
);

-- name: end_of_piece
-- Select the end of the quarter hours that have about $2 events together: at least one, at most a day of them.
SELECT coalesce(max(bucket) FILTER (WHERE before < $2), $1) + interval '15 minutes' FROM (
    SELECT bucket, sum(events) OVER (ORDER BY bucket) - events AS before FROM (
        SELECT bucket, sum(events) AS events FROM rollup
        WHERE bucket >= $1 AND bucket < $1::timestamptz + interval '1 day' GROUP BY bucket
    ) AS quarters
) AS summed;

-- name: forget_loads
-- Delete the loads that all of these cover.
DELETE FROM loads WHERE place <= (SELECT min(place) FROM upkeep_marks WHERE name = ANY($1::text[]));

-- When each user did what: made while nothing waits, cut by retention.

-- name: forget_all
DELETE FROM user_times;

-- name: first
SELECT min(rowid) FROM events WHERE rowid >= $mark;

-- name: fill
-- The events with these row numbers, whose users have numbers.
INSERT INTO user_times
SELECT site_id, name, user_number, min(timestamp), nullif(list_sort(list(timestamp))[2:], [])
FROM events WHERE rowid >= $first AND rowid < $end AND user_number IS NOT NULL
GROUP BY site_id, name, user_number ORDER BY site_id, name, user_number;

-- name: purge
DELETE FROM user_times WHERE coalesce(more[-1], first) < make_timestamp($before);

-- name: cut
UPDATE user_times SET
    first = list_filter(more, lambda moment: moment >= make_timestamp($before))[1],
    more = nullif(list_filter(more, lambda moment: moment >= make_timestamp($before))[2:], [])
WHERE first < make_timestamp($before);

-- name: count
SELECT count(*) FROM events WHERE rowid < $mark;

-- name: verify_order
SELECT count(*) FROM user_times WHERE len(more) = 0 OR more[1] < first OR more IS DISTINCT FROM list_sort(more);

-- name: verify_times
-- Of a slice of the users: how many moments are not as often there as events before the mark.
SELECT count(*) FROM (
    SELECT 1 FROM (
        SELECT site_id, name, user_number, first AS moment, 1 AS one FROM user_times
        UNION ALL SELECT site_id, name, user_number, unnest(more), 1 FROM user_times
        UNION ALL SELECT site_id, name, user_number, timestamp, -1 FROM events WHERE rowid < $mark
    ) AS moments WHERE user_number % $slices = $slice
    GROUP BY site_id, name, user_number, moment HAVING sum(one) <> 0
) AS wrong;

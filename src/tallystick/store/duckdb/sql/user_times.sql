-- User times: when each user did what. Materialized while nothing waits, cut by retention.

-- name: delete_all
DELETE FROM user_times;

-- name: first
-- Find the first event after the watermark: a purge may have left a gap.
SELECT min(rowid) FROM events WHERE rowid >= $watermark;

-- name: fill
-- Insert the times of the events in a range of row ids, if their user has a number.
INSERT INTO user_times
SELECT site_id, name, user_number, min(timestamp), nullif(list_sort(list(timestamp))[2:], []), is_bot(properties) AS bot
FROM events WHERE rowid >= $first AND rowid < $end AND user_number IS NOT NULL
GROUP BY site_id, name, user_number, bot ORDER BY site_id, name, user_number;

-- name: purge
-- Delete rows whose last time is before the border.
DELETE FROM user_times
WHERE coalesce(more[-1], first) < make_timestamp($before) AND ($site::VARCHAR IS NULL OR site_id = $site);

-- name: cut
-- Remove the times before the border from the other rows.
UPDATE user_times SET
    first = list_filter(more, lambda moment: moment >= make_timestamp($before))[1],
    more = nullif(list_filter(more, lambda moment: moment >= make_timestamp($before))[2:], [])
WHERE first < make_timestamp($before) AND ($site::VARCHAR IS NULL OR site_id = $site);

-- name: count
-- Count the events below the watermark.
SELECT count(*) FROM events WHERE rowid < $watermark;

-- name: verify_order
-- Count rows whose times are not in order.
SELECT count(*) FROM user_times WHERE len(more) = 0 OR more[1] < first OR more IS DISTINCT FROM list_sort(more);

-- name: verify_times
-- Count times that are not there as often as events below the watermark have them; for a slice of the users.
SELECT count(*) FROM (
    SELECT 1 FROM (
        SELECT site_id, name, user_number, bot, first AS moment, 1 AS one FROM user_times
        UNION ALL SELECT site_id, name, user_number, bot, unnest(more), 1 FROM user_times
        UNION ALL SELECT site_id, name, user_number, is_bot(properties), timestamp, -1 FROM events WHERE rowid < $watermark
    ) AS moments WHERE user_number % $slices = $slice
    GROUP BY site_id, name, user_number, bot, moment HAVING sum(one) <> 0
) AS wrong;

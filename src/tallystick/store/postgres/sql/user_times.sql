-- User times: when each user did what. `{condition}` says which events.

-- name: clear
TRUNCATE user_times, user_numbers;

-- name: cover
-- Add the times of some events. Users without a number get the next ones.
WITH piece AS MATERIALIZED (
    SELECT site_id, (timestamp AT TIME ZONE 'UTC')::date AS day, name, user_id, is_bot(properties) AS bot, timestamp
    FROM events WHERE ({condition}) AND user_id IS NOT NULL
), new_numbers AS (
    INSERT INTO user_numbers (user_id)
    SELECT DISTINCT user_id FROM piece
    WHERE NOT EXISTS (SELECT FROM user_numbers WHERE user_numbers.user_id = piece.user_id)
    RETURNING user_id, number
), numbers AS (
    SELECT user_id, number FROM user_numbers UNION ALL SELECT user_id, number FROM new_numbers
)
INSERT INTO user_times
SELECT site_id, day, name, number, bot, min(timestamp), nullif((array_agg(timestamp))[2:], '{{}}')
FROM (
    SELECT site_id, day, name, number, bot, timestamp FROM piece JOIN numbers ON numbers.user_id = piece.user_id
    ORDER BY site_id, name, day, number, bot, timestamp
) AS in_order
GROUP BY site_id, name, day, number, bot ORDER BY site_id, name, day, number, bot;

-- name: purge
DELETE FROM user_times WHERE day < ($1::timestamptz AT TIME ZONE 'UTC')::date;

-- name: delete_day
-- Delete the rows of the day that a purge cuts.
DELETE FROM user_times WHERE day = ($1::timestamptz AT TIME ZONE 'UTC')::date;

-- name: delete_removed
-- Delete the rows of the sites' days that events were removed from.
DELETE FROM user_times USING (
    SELECT DISTINCT site_id, (timestamp AT TIME ZONE 'UTC')::date AS day FROM removed
) AS days
WHERE user_times.site_id = days.site_id AND user_times.day = days.day;

-- name: forget_users
-- Delete the numbers of users of whom no event is left. Those of users who have no times are in no row.
DELETE FROM user_numbers
WHERE NOT EXISTS (SELECT FROM people_days WHERE people_days.user_id = user_numbers.user_id);

-- name: verify_order
-- Count rows of a day whose times are not in order, or lie in another day.
SELECT count(*) FROM user_times
WHERE day = ($1::timestamptz AT TIME ZONE 'UTC')::date
  AND (cardinality(more) = 0 OR more[1] < first OR first < $1
       OR coalesce(more[cardinality(more)], first) >= $1::timestamptz + interval '1 day'
       OR more IS DISTINCT FROM ARRAY(SELECT at FROM unnest(more) AS at ORDER BY at) AND more IS NOT NULL);

-- name: verify_times
-- Count times of a day that are not there as often as the covered events have them.
SELECT count(*) FROM (
    SELECT FROM (
        SELECT site_id, name, user_number AS number, bot, first AS at, 1 AS one FROM user_times
        WHERE day = ($1::timestamptz AT TIME ZONE 'UTC')::date
        UNION ALL
        SELECT site_id, name, user_number, bot, unnest(more), 1 FROM user_times
        WHERE day = ($1::timestamptz AT TIME ZONE 'UTC')::date
        UNION ALL
        SELECT site_id, name, number, is_bot(properties), timestamp, -1
        FROM events LEFT JOIN user_numbers ON user_numbers.user_id = events.user_id
        WHERE timestamp >= $1 AND timestamp < $1::timestamptz + interval '1 day' AND events.user_id IS NOT NULL
          AND ({condition})
    ) AS times GROUP BY site_id, name, number, bot, at HAVING sum(one) <> 0
) AS wrong;

-- name: days
SELECT DISTINCT day::timestamp AT TIME ZONE 'UTC' FROM user_times;

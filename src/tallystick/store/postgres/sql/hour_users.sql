-- How many users each hour has. `{hours}` selects hours of sites to count, `{pending}` says which hours to leave out.

-- name: clear
DELETE FROM hour_users;

-- name: of_events
-- Select the hours of some events.
SELECT DISTINCT site_id, date_bin('1 hour', timestamp, '2000-01-01Z') AS hour FROM events WHERE {condition}

-- name: of_removed
SELECT DISTINCT site_id, date_bin('1 hour', timestamp, '2000-01-01Z') AS hour FROM removed

-- name: of_purged
-- Select the hour that a purge cuts, of all sites that have it.
SELECT site_id, hour FROM hour_users WHERE hour <= $1 AND hour > $1::timestamptz - interval '1 hour'

-- name: count
-- Count hours by all events that they have. LIMIT makes it a look-up of each hour in the index.
INSERT INTO hour_users
SELECT hours.site_id, hours.hour, counted.users, counted.no_bots
FROM (
    {hours}
) AS hours CROSS JOIN LATERAL (
    SELECT count(*) AS users, count(*) FILTER (WHERE NOT bot) AS no_bots FROM (
        SELECT user_id, bool_and(is_bot(properties)) AS bot FROM events
        WHERE events.site_id = hours.site_id AND timestamp >= hours.hour AND timestamp < hours.hour + interval '1 hour'
          AND user_id IS NOT NULL
        GROUP BY user_id
    ) AS seen LIMIT 1
) AS counted
ON CONFLICT (site_id, hour) DO UPDATE SET users = excluded.users, no_bots = excluded.no_bots;

-- name: purge
DELETE FROM hour_users WHERE hour <= $1::timestamptz - interval '1 hour';

-- name: verify
-- Count hours of a day whose users are not those of the events.
SELECT count(*) FROM (
    SELECT site_id, hour, users, no_bots FROM hour_users
    WHERE hour >= $1 AND hour < $1::timestamptz + interval '1 day'
) AS kept FULL JOIN (
    SELECT site_id, hour, count(*) AS users, count(*) FILTER (WHERE NOT bot) AS no_bots FROM (
        SELECT site_id, date_bin('1 hour', timestamp, '2000-01-01Z') AS hour, user_id, bool_and(is_bot(properties)) AS bot
        FROM events
        WHERE timestamp >= $1 AND timestamp < $1::timestamptz + interval '1 day' AND user_id IS NOT NULL
        GROUP BY 1, 2, 3
    ) AS seen GROUP BY 1, 2
) AS expected ON (kept.site_id, kept.hour) = (expected.site_id, expected.hour)
WHERE (coalesce(kept.users, 0), coalesce(kept.no_bots, 0))
      IS DISTINCT FROM (coalesce(expected.users, 0), coalesce(expected.no_bots, 0))
  AND NOT ({pending});

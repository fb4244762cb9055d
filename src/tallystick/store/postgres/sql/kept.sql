-- Rollups that stay when retention removes their events.

-- name: keep_rollup
-- Keep the counts of the events that are removed between two instants. Of a site they stay if $3 holds; of $4 the opposite.
-- Only sites in $5 lose events; null: all do.
INSERT INTO kept_rollup
SELECT site_id, bucket, name, source, sum(events)::bigint, max(last_received), bot FROM rollup
WHERE bucket >= $1 AND bucket < $2 AND $3::boolean <> (site_id = ANY($4::text[]))
  AND ($5::text[] IS NULL OR site_id = ANY($5))
GROUP BY 1, 2, 3, 4, 7 HAVING sum(events) <> 0;

-- name: keep_days
-- Keep how many persons were active on the day that begins at $1, of the same sites. A day without users has a row too.
WITH days AS (
    SELECT DISTINCT site_id, bot FROM (
        SELECT site_id, bot FROM rollup
        WHERE bucket >= $1 AND bucket < $1::timestamptz + interval '1 day'
          AND $3::boolean <> (site_id = ANY($4::text[])) AND ($5::text[] IS NULL OR site_id = ANY($5))
        GROUP BY site_id, bucket, name, source, bot HAVING sum(events) <> 0
    ) AS going
), persons AS (
    SELECT people_days.site_id, coalesce(identities.person_id, people_days.user_id) AS person, bool_and(bot) AS bot
    FROM people_days
    LEFT JOIN identities ON identities.site_id = people_days.site_id AND identities.user_id = people_days.user_id
    WHERE day = ($1::timestamptz AT TIME ZONE 'UTC')::date
      AND $3::boolean <> (people_days.site_id = ANY($4::text[])) AND ($5::text[] IS NULL OR people_days.site_id = ANY($5))
    GROUP BY 1, 2
)
INSERT INTO kept_days
SELECT days.site_id, $1, days.bot, count(person), $2
FROM days LEFT JOIN persons ON persons.site_id = days.site_id AND persons.bot = days.bot
GROUP BY days.site_id, days.bot;

-- name: has_unwanted
-- Look for kept rollups of sites that no longer keep them.
SELECT EXISTS (SELECT FROM kept_days WHERE $1::boolean = (site_id = ANY($2::text[])));

-- name: drop_rollup
DELETE FROM kept_rollup WHERE $1::boolean = (site_id = ANY($2::text[]));

-- name: drop_days
DELETE FROM kept_days WHERE $1::boolean = (site_id = ANY($2::text[]));

-- name: events
-- Count the events that kept rollups of a site stand for, of before an instant or of all time.
SELECT coalesce(sum(events), 0)::bigint FROM kept_rollup
WHERE site_id = $1 AND ($2::timestamptz IS NULL OR bucket < $2);

-- name: newest
-- Select the last kept day of a site or of all, and whether a range has any.
SELECT (extract(epoch FROM max(day)) * 1000000)::bigint,
       count(*) FILTER (WHERE ($2::timestamptz IS NULL OR day + interval '1 day' > $2)
                          AND ($3::timestamptz IS NULL OR day < $3)) > 0
FROM kept_days WHERE $1::text IS NULL OR site_id = $1;

-- name: repeated
-- Look for kept days in a range of which events came after a removal: a user may be counted twice.
SELECT EXISTS (
    SELECT FROM (
        SELECT site_id, day, count(DISTINCT kept_at) AS times FROM kept_days
        WHERE ($1::text IS NULL OR site_id = $1)
          AND ($2::timestamptz IS NULL OR day + interval '1 day' > $2) AND ($3::timestamptz IS NULL OR day < $3)
        GROUP BY site_id, day
    ) AS days
    WHERE times > 1 OR EXISTS (
        SELECT FROM people_days
        WHERE people_days.site_id = days.site_id AND people_days.day = (days.day AT TIME ZONE 'UTC')::date
    )
);

-- name: verify_events
-- Count the events that kept rollups stand for, and those that were purged.
SELECT (SELECT coalesce(sum(events), 0) FROM kept_rollup)::bigint, (SELECT coalesce(sum(events), 0) FROM purges)::bigint;

-- name: verify_days
-- Count the days that only one of the two tables has.
SELECT count(*) FROM (
    SELECT DISTINCT site_id, date_bin('1 day', bucket, '2000-01-01Z') AS day, bot FROM kept_rollup
) AS counts
FULL JOIN (SELECT DISTINCT site_id, day, bot FROM kept_days) AS users USING (site_id, day, bot)
WHERE counts.day IS NULL OR users.day IS NULL;

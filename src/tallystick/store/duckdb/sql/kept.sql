-- Rollups that stay when retention removes their events. Of a site they stay if `$keep` holds; of `$others` the opposite.

-- name: keep_rollup
-- Keep the counts of the events that a purge removes.
INSERT INTO kept_rollup
SELECT site_id, bucket, name, source, sum(events)::BIGINT, max(last_received), bot FROM rollup
WHERE bucket < make_timestamp($before) AND ($site::VARCHAR IS NULL OR site_id = $site)
  AND $keep::BOOLEAN <> list_contains($others::VARCHAR[], site_id)
GROUP BY ALL HAVING sum(events) <> 0;

-- name: keep_days
-- Keep how many persons were active on the days that a purge removes. Days without users have a row too.
INSERT INTO kept_days
WITH going AS (
    SELECT site_id, date_trunc('day', bucket)::TIMESTAMP AS day, bot FROM rollup
    WHERE bucket < make_timestamp($before) AND ($site::VARCHAR IS NULL OR site_id = $site)
      AND $keep::BOOLEAN <> list_contains($others::VARCHAR[], site_id)
    GROUP BY site_id, bucket, name, source, bot HAVING sum(events) <> 0
), persons AS (
    SELECT people.site_id, date_trunc('day', bucket)::TIMESTAMP AS day,
           coalesce(identities.person_id, people.user_id) AS person, bool_and(bot) AS bot
    FROM people
    LEFT JOIN identities ON identities.site_id = people.site_id AND identities.user_id = people.user_id
    WHERE bucket < make_timestamp($before) AND ($site::VARCHAR IS NULL OR people.site_id = $site)
      AND $keep::BOOLEAN <> list_contains($others::VARCHAR[], people.site_id)
    GROUP BY ALL
)
SELECT days.site_id, days.day, days.bot, count(person), make_timestamp($now)
FROM (SELECT DISTINCT site_id, day, bot FROM going) AS days
LEFT JOIN persons ON persons.site_id = days.site_id AND persons.day = days.day AND persons.bot = days.bot
GROUP BY days.site_id, days.day, days.bot;

-- name: has_unwanted
-- Look for kept rollups of sites that no longer keep them.
SELECT 1 FROM kept_days WHERE $keep::BOOLEAN = list_contains($others::VARCHAR[], site_id) LIMIT 1;

-- name: drop_rollup
DELETE FROM kept_rollup WHERE $keep::BOOLEAN = list_contains($others::VARCHAR[], site_id);

-- name: drop_days
DELETE FROM kept_days WHERE $keep::BOOLEAN = list_contains($others::VARCHAR[], site_id);

-- name: events
-- Count the events that kept rollups of a site stand for, of before an instant or of all time.
SELECT coalesce(sum(events), 0)::BIGINT FROM kept_rollup
WHERE site_id = $site AND ($before::BIGINT IS NULL OR bucket < make_timestamp($before));

-- name: any
SELECT 1 FROM kept_days LIMIT 1;

-- name: newest
-- Select the last kept day of a site or of all, and whether a range has any.
SELECT epoch_us(max(day)),
       count(*) FILTER (($since::BIGINT IS NULL OR day + INTERVAL 1 DAY > make_timestamp($since))
                        AND ($until::BIGINT IS NULL OR day < make_timestamp($until))) > 0
FROM kept_days WHERE $site::VARCHAR IS NULL OR site_id = $site;

-- name: repeated
-- Look for kept days in a range of which events came after a removal: a user may be counted twice.
WITH days AS (
    SELECT site_id, day, count(DISTINCT kept_at) AS times FROM kept_days
    WHERE ($site::VARCHAR IS NULL OR site_id = $site)
      AND ($since::BIGINT IS NULL OR day + INTERVAL 1 DAY > make_timestamp($since))
      AND ($until::BIGINT IS NULL OR day < make_timestamp($until))
    GROUP BY site_id, day
)
SELECT 1 FROM days WHERE times > 1 OR (site_id, day) IN (
    SELECT site_id, date_trunc('day', bucket)::TIMESTAMP FROM people
    WHERE bucket < make_timestamp($end) AND ($site::VARCHAR IS NULL OR site_id = $site)
)
LIMIT 1;

-- name: verify_events
-- Count the events that kept rollups stand for, and those that were purged.
SELECT (SELECT coalesce(sum(events), 0) FROM kept_rollup)::BIGINT, (SELECT coalesce(sum(events), 0) FROM purges)::BIGINT;

-- name: verify_days
-- Count the days that only one of the two tables has.
SELECT count(*) FROM (
    SELECT DISTINCT site_id, date_trunc('day', bucket)::TIMESTAMP AS day, bot FROM kept_rollup
) AS counts
FULL JOIN (SELECT DISTINCT site_id, day, bot FROM kept_days) AS users USING (site_id, day, bot)
WHERE counts.day IS NULL OR users.day IS NULL;

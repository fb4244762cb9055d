-- The ids and the persons that they resolve to. Rows are read FINAL: a later version replaces an earlier one.

-- name: links_of_batch
-- Select each id's earliest link among the batch's events that is after the id's split.
SELECT links.site, joined, argMin(linked_to, (timestamp, toUInt128(event_id))) AS earliest, min(timestamp),
       argMin(event_id, (timestamp, toUInt128(event_id)))
FROM (
    SELECT toString(site_id) AS site, joined_id AS joined, assumeNotNull(user_id) AS linked_to, timestamp, event_id
    FROM events FINAL
    WHERE joined_id IS NOT NULL AND (site_id, timestamp, event_id) IN (
        SELECT site_id, timestamp, event_id FROM arrivals
        WHERE name IN ('identify', '$identify', 'alias', '$create_alias')
          AND number IN (SELECT number FROM first_lines WHERE new = 1))
) AS links
LEFT JOIN (SELECT site_id, user_id, split_at FROM splits FINAL) AS split
  ON split.site_id = links.site AND split.user_id = links.joined
WHERE split.split_at IS NULL OR timestamp > split.split_at
GROUP BY links.site, joined;

-- name: links_of_ids
-- Select the earliest stored link of each of the given ids that is after the id's split.
SELECT links.site, joined, argMin(linked_to, (timestamp, toUInt128(event_id))) AS earliest, min(timestamp),
       argMin(event_id, (timestamp, toUInt128(event_id)))
FROM (
    SELECT toString(site_id) AS site, joined_id AS joined, assumeNotNull(user_id) AS linked_to, timestamp, event_id
    FROM events FINAL
    WHERE joined_id IS NOT NULL AND (site_id, joined_id) IN (SELECT site_id, user_id FROM given)
) AS links
LEFT JOIN (SELECT site_id, user_id, split_at FROM splits FINAL) AS split
  ON split.site_id = links.site AND split.user_id = links.joined
WHERE split.split_at IS NULL OR timestamp > split.split_at
GROUP BY links.site, joined;

-- name: rows_of_ids
-- Select the rows of the given ids.
SELECT site_id, user_id, linked_to, linked_at, event_id, person_id FROM identities FINAL
WHERE (site_id, user_id) IN (SELECT site_id, user_id FROM given);

-- name: rows_of_persons
-- Select all joined ids of the given persons.
SELECT site_id, user_id, linked_to, linked_at, event_id, person_id FROM identities FINAL
WHERE (site_id, person_id) IN (SELECT site_id, user_id FROM given);

-- name: enter
-- Insert or replace the rows of some ids; a row that is gone deletes them.
INSERT INTO identities (site_id, user_id, linked_to, linked_at, event_id, person_id, version, gone) FORMAT JSONEachRow;

-- name: enter_splits
INSERT INTO splits (site_id, user_id, split_at, version, gone) FORMAT JSONEachRow;

-- name: person
-- Select the person that an id resolves to.
SELECT person_id FROM identities FINAL WHERE site_id = {site:String} AND user_id = {user:String};

-- name: persons_without_events
-- Select the rows of persons without remaining events. If a person's newest link is not before the border of the site,
-- its event remains.
WITH purged AS (
    {purged}
)
SELECT site_id, user_id, linked_to, linked_at, event_id, person_id FROM identities FINAL
WHERE (site_id, person_id) IN (
    SELECT known.site_id, known.person_id
    FROM (
        SELECT site_id, person_id, max(linked_at) AS newest FROM identities FINAL GROUP BY site_id, person_id
    ) AS known JOIN purged ON purged.site_id = known.site_id
    WHERE newest < purged.before
) AND (site_id, person_id) NOT IN (
    SELECT events.site_id, coalesce(known.person_id, events.user_id)
    FROM (SELECT DISTINCT toString(site_id) AS site_id, assumeNotNull(user_id) AS user_id FROM events FINAL
          WHERE user_id IS NOT NULL
            AND site_id IN (SELECT site_id FROM purged)) AS events
    LEFT JOIN (SELECT site_id, user_id, person_id FROM identities FINAL) AS known
      ON known.site_id = events.site_id AND known.user_id = events.user_id
);

-- name: splits_before
-- Select splits of joins that were all purged.
WITH purged AS (
    {purged}
)
SELECT found.site_id, found.user_id, found.split_at
FROM (SELECT site_id, user_id, split_at FROM splits FINAL) AS found JOIN purged ON purged.site_id = found.site_id
WHERE found.split_at < purged.before;

-- name: purged
-- Select up to where events of each site with joined ids or splits were purged; one without a purge is not there.
SELECT sites.site_id AS site_id, max(removals.until) AS before
FROM (
    SELECT site_id FROM identities UNION DISTINCT SELECT site_id FROM splits
) AS sites
CROSS JOIN (
    SELECT site_id, max(until) AS until FROM removals FINAL WHERE kind IN ('purge', 'retention') GROUP BY site_id
) AS removals
WHERE removals.site_id IS NULL OR removals.site_id = sites.site_id
GROUP BY sites.site_id

-- name: verify_links
-- Count links that are missing from the table, although no earlier link of their id is there. Links of blocks that the
-- ledger does not have are just being stored.
WITH unfinished AS (
    SELECT found.ingester, found.seq
    FROM (SELECT toString(ingester) AS ingester, seq FROM events WHERE joined_id IS NOT NULL GROUP BY ingester, seq) AS found
    LEFT JOIN (SELECT ingester, folded FROM ledger_folded FINAL) AS compacted ON compacted.ingester = found.ingester
    WHERE found.seq >= coalesce(compacted.folded, 0)
      AND (found.ingester, found.seq) NOT IN (SELECT ingester, seq FROM blocks)
)
SELECT count() FROM (
    SELECT toString(site_id) AS site_id, joined_id AS joined, user_id AS linked_to, timestamp, event_id FROM events FINAL
    WHERE joined_id IS NOT NULL AND (ingester, seq) NOT IN (SELECT ingester, seq FROM unfinished)
) AS links
LEFT JOIN (SELECT * FROM identities FINAL) AS known ON known.site_id = links.site_id AND known.user_id = links.joined
LEFT JOIN (SELECT * FROM splits FINAL) AS split ON split.site_id = links.site_id AND split.user_id = links.joined
WHERE (split.split_at IS NULL OR links.timestamp > split.split_at)
  AND (known.user_id IS NULL
       OR (links.timestamp, toUInt128(links.event_id)) < (assumeNotNull(known.linked_at), toUInt128(assumeNotNull(known.event_id)))
       OR (links.timestamp = known.linked_at AND links.event_id = known.event_id AND links.linked_to <> known.linked_to));

-- name: verify_strange
-- Count joined ids whose event is missing and too young to have been purged, or before their split.
WITH purged AS (
    {purged}
)
SELECT count() FROM (SELECT * FROM identities FINAL) AS known
LEFT JOIN (SELECT * FROM splits FINAL) AS split ON split.site_id = known.site_id AND split.user_id = known.user_id
LEFT JOIN (SELECT site_id, before FROM purged) AS border ON border.site_id = known.site_id
WHERE known.linked_at <= split.split_at
   OR (known.linked_at >= coalesce(border.before, toDateTime64(0, 6, 'UTC'))
       AND (known.site_id, known.user_id, known.linked_to, known.linked_at, known.event_id) NOT IN (
           SELECT site_id, assumeNotNull(joined_id), assumeNotNull(user_id), timestamp, event_id FROM events FINAL
           WHERE joined_id IS NOT NULL));

-- name: all_rows
SELECT site_id, user_id, linked_to, linked_at, event_id, person_id FROM identities FINAL;

-- name: rows_since
-- Select the rows that were written after a version.
SELECT site_id, user_id, linked_to, linked_at, event_id, person_id, version FROM identities FINAL
WHERE version > {since:UInt64};

-- name: knows
-- Select whether ids of a site, or (NULL) of any, were joined.
SELECT count() > 0 FROM identities FINAL WHERE {site:Nullable(String)} IS NULL OR site_id = {site:Nullable(String)};

-- The session index: its new events, and what materialization and retention do to its table `session_parts`.

-- name: new_events
-- Select the first row id after the watermark, the number of events from there on, and of all events.
SELECT min(rowid), count(*), (SELECT count(*) FROM events) FROM events WHERE rowid >= $watermark;

-- name: select_continued
-- Select the sessions of the index that the new sessions continue. The hash finds them with a fifth of the work.
CREATE OR REPLACE TEMP TABLE touched AS
SELECT rowid AS part, * FROM session_parts SEMI JOIN new_sessions USING (site_id, session_id)
WHERE rowid IN (SELECT rowid FROM session_parts SEMI JOIN new_sessions USING (session_hash));

-- name: delete_continued
-- Delete these from the index; they are inserted again together with what is new.
DELETE FROM session_parts WHERE rowid IN (SELECT part FROM touched);

-- name: delete_all
DELETE FROM session_parts;

-- name: select_cut
-- Select the sessions that began before the border of a purge and ended after it.
CREATE OR REPLACE TEMP TABLE cut AS
SELECT site_id, session_id FROM session_parts
WHERE started < make_timestamp($before) AND ended >= make_timestamp($before) AND ($site::VARCHAR IS NULL OR site_id = $site);

-- name: delete_purged
-- Delete the sessions that began before the border; `cut` has those that are inserted again.
DELETE FROM session_parts WHERE started < make_timestamp($before) AND ($site::VARCHAR IS NULL OR site_id = $site);

-- name: delete_cut
-- Delete the sessions in `cut`, which are inserted again as far as they have events.
DELETE FROM session_parts USING cut
WHERE cut.site_id = session_parts.site_id AND cut.session_id = session_parts.session_id;

-- name: count
SELECT count(*) FROM session_parts;

-- name: verify_bots
-- Count sessions whose number of bots' events differs from the events below the watermark.
SELECT count(*) FROM (
    SELECT site_id, session_id, bot_events FROM session_parts WHERE bot_events IS DISTINCT FROM 0
) AS kept FULL JOIN (
    SELECT site_id, session_id, count(*) AS bot_events FROM events
    WHERE rowid < $watermark AND session_id IS NOT NULL AND is_bot(properties) GROUP BY ALL
) AS expected USING (site_id, session_id)
WHERE kept.bot_events IS DISTINCT FROM coalesce(expected.bot_events, 0);

-- name: entry_days
-- Select the days on which sessions have their entry event.
SELECT DISTINCT epoch_us(date_trunc('day', entry_at)) FROM session_parts ORDER BY 1;

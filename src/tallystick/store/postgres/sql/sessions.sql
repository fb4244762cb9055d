-- The session index: what materialization, retention and removals do. {…} is filled in by upkeep/sessions.py.

-- name: create_tables
-- Create the temporary tables of a connection that materializes: new events, their sessions, and the rows that change.
CREATE TEMP TABLE IF NOT EXISTS new_events (
    site_id     text        COLLATE "C" NOT NULL,
    session_id  text        COLLATE "C" NOT NULL,
    timestamp   timestamptz NOT NULL,
    received_at timestamptz NOT NULL,
    place       tid         NOT NULL,
    is_page     boolean     NOT NULL,
    is_leave    boolean     NOT NULL,
    is_bot      boolean     NOT NULL,
    name        text        COLLATE "C" NOT NULL,
    source      text        COLLATE "C" NOT NULL,
    path        text        COLLATE "C",
    properties  json        NOT NULL
) ON COMMIT DELETE ROWS;
CREATE TEMP TABLE IF NOT EXISTS new_sessions (
    site_id        text        COLLATE "C" NOT NULL,
    session_id     text        COLLATE "C" NOT NULL,
    started        timestamptz NOT NULL,
    ended          timestamptz NOT NULL,
    events         bigint      NOT NULL,
    pages          bigint      NOT NULL,
    leaves         bigint      NOT NULL,
    bot_events     bigint      NOT NULL,
    entry_at       timestamptz NOT NULL,
    entry_received timestamptz NOT NULL,
    entry_place    tid         NOT NULL,
    entry_path     integer,
    texts          text[]      COLLATE "C" NOT NULL,
    exit_at        timestamptz NOT NULL,
    exit_received  timestamptz NOT NULL,
    exit_place     tid         NOT NULL,
    exit_path      integer,
    trail          integer[]
) ON COMMIT DELETE ROWS;
CREATE TEMP TABLE IF NOT EXISTS removed_rows (LIKE session_index) ON COMMIT DELETE ROWS;
CREATE TEMP TABLE IF NOT EXISTS added_rows (LIKE session_index) ON COMMIT DELETE ROWS;

-- name: insert_paths
-- Insert the paths that have no number yet.
INSERT INTO session_paths (path)
SELECT path FROM (SELECT DISTINCT path FROM new_events WHERE path IS NOT NULL) AS paths
WHERE NOT EXISTS (SELECT FROM session_paths WHERE session_paths.path = paths.path);

-- name: insert_origins
-- Insert the origins that have no number yet, with their channels.
INSERT INTO session_origins (texts, channel, referring_site)
{origins};

-- name: select_removed
-- Select the rows that new sessions continue.
INSERT INTO removed_rows
SELECT session_index.* FROM new_sessions JOIN session_index USING (session_id, site_id);

-- name: select_added
-- Merge the new sessions with these.
INSERT INTO added_rows ({columns})
{merged};

-- name: write_index
-- Write the merged sessions over their rows.
INSERT INTO session_index ({columns})
SELECT {columns} FROM added_rows ORDER BY started
ON CONFLICT (session_id, site_id) DO UPDATE SET {assignments};

-- name: write_counts
-- Add what changed to the counts.
INSERT INTO session_counts AS kept (site_id, hour, kind, value, viewed, bot, {counts})
{changes}
ORDER BY 1, 3, 2, 4
ON CONFLICT (site_id, kind, hour, value, viewed, bot) DO UPDATE SET {sums};

-- name: clear
-- Remove the index. The numbers of paths and origins stay, since they say nothing of events that may be gone.
DELETE FROM session_index;
DELETE FROM session_counts;

-- name: select_purged
-- Take the sessions that began before the border of a purge out of the index.
WITH purged AS (
    DELETE FROM session_index WHERE started < $1 RETURNING *
)
INSERT INTO removed_rows SELECT * FROM purged;

-- name: select_cut
-- Take the sessions that lost events out of the index.
WITH cut AS (
    DELETE FROM session_index
    USING (SELECT DISTINCT site_id, session_id FROM removed WHERE session_id IS NOT NULL) AS losing
    WHERE session_index.session_id = losing.session_id AND session_index.site_id = losing.site_id
    RETURNING session_index.*
)
INSERT INTO removed_rows SELECT * FROM cut;

-- name: remaining
-- Select the bounds of what may remain of these sessions.
SELECT greatest(min(started), $1), max(ended) FROM removed_rows WHERE ended >= $1;

-- name: delete_empty_counts
-- Delete the counts of which nothing is left.
DELETE FROM session_counts WHERE sessions = 0;

-- name: origins_version
-- Select whether the channels of origins are those of these rules and of the referrers of today.
SELECT (SELECT version FROM session_origins_version)
    IS NOT DISTINCT FROM (SELECT concat($1::text, ' ', version) FROM referrers_version);

-- name: channels_anew
-- Find the channels of all origins anew, by the referrers of today.
WITH origins AS (
    {origins}
)
UPDATE session_origins SET channel = origins.channel, referring_site = origins.referring_site
FROM origins WHERE origins.texts = session_origins.texts;
DELETE FROM session_origins_version;
INSERT INTO session_origins_version SELECT concat('{rules}', ' ', version) FROM referrers_version;

-- name: verify_index
-- Count the sessions of the index that are missing, surplus or different.
WITH new_events AS MATERIALIZED (
    {events}
), expected AS (
    SELECT sessions.*, CAST(extract(epoch FROM ended - started) * 1000000 AS bigint) AS duration, origin_id AS origin
    FROM (
        {sessions}
    ) AS sessions
    LEFT JOIN session_origins ON session_origins.texts = sessions.texts
), kept AS (
    SELECT * FROM session_index WHERE {slice}
)
SELECT count(*)
FROM expected FULL JOIN kept ON kept.session_id = expected.session_id AND kept.site_id = expected.site_id
WHERE {differs};

-- name: verify_counts
-- Count the rows of the counts that differ from the sessions of the index.
SELECT count(*)
FROM (
    SELECT * FROM session_counts WHERE sessions <> 0
) AS kept
FULL JOIN (
    {changes}
) AS expected USING (site_id, kind, hour, value, viewed, bot)
WHERE {differs};

-- name: verify_channels
-- Count the origins whose channel the rules of today find otherwise.
WITH origins AS (
    {origins}
)
SELECT count(*)
FROM session_origins JOIN origins ON origins.texts = session_origins.texts
WHERE (origins.channel, origins.referring_site) IS DISTINCT FROM (session_origins.channel, session_origins.referring_site);

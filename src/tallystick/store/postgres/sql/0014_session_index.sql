-- The session index: one row for each session of the covered events (upkeep/sessions.py), and counts of these rows.

-- The paths of sessions by number: rows and trails are a quarter as large, and group by numbers.
CREATE TABLE session_paths (
    path_id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    path    text    COLLATE "C" NOT NULL
);
CREATE INDEX session_paths_path ON session_paths USING hash (path);     -- a path may be too long for a B-tree

-- What the entry events of sessions say about where a session came from: each combination once, with its channel.
CREATE TABLE session_origins (
    origin_id      integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    texts          text[]  COLLATE "C" NOT NULL,    -- see `ORIGIN_TEXTS` of upkeep/sessions_sql.py
    channel        text    COLLATE "C" NOT NULL,
    referring_site text    COLLATE "C"
);
CREATE INDEX session_origins_texts ON session_origins USING hash (texts);
-- The version of `referrers` that the channels were found with.
CREATE TABLE session_origins_version (
    version text NOT NULL
);

CREATE TABLE session_index (
    started        timestamptz NOT NULL,
    ended          timestamptz NOT NULL,
    duration       bigint      NOT NULL,    -- microseconds
    events         bigint      NOT NULL,
    pages          bigint      NOT NULL,    -- by the default `page_names`
    leaves         bigint      NOT NULL,
    bot_events     bigint      NOT NULL,
    origin         integer     NOT NULL,    -- of session_origins
    entry_path     integer,                 -- of session_paths
    exit_path      integer,
    -- The entry event is the first page view, or the first event where there is none; the exit event likewise the last.
    -- Time, arrival and place in the table give the order of a session's events.
    entry_at       timestamptz NOT NULL,
    entry_received timestamptz NOT NULL,
    exit_at        timestamptz NOT NULL,
    exit_received  timestamptz NOT NULL,
    entry_place    tid         NOT NULL,
    exit_place     tid         NOT NULL,
    site_id        text        COLLATE "C" NOT NULL,
    session_id     text        COLLATE "C" NOT NULL,
    -- The page views' paths, those that repeat the one before left out; NULL: too many, or their order is not known.
    trail          integer[],
    PRIMARY KEY (session_id, site_id)
);
CREATE INDEX session_index_started ON session_index (site_id, started);
-- The sessions that last about as long as the median: with all that a query asks of them, so that it reads no rows.
CREATE INDEX session_index_duration ON session_index (site_id, duration)
    INCLUDE (started, ended, entry_path, exit_path, origin, pages);
-- The few sessions that can cross the edges of a range by more than queries read beyond it.
CREATE INDEX session_index_long ON session_index (site_id, started) WHERE ended - started >= INTERVAL '24 hours';

-- Sums over the rows of session_index by hour, and by one thing of each session. All of them change in one transaction.
CREATE TABLE session_counts (
    site_id        text        COLLATE "C" NOT NULL,
    hour           timestamptz NOT NULL,    -- in which the sessions started
    kind           smallint    NOT NULL,    -- 1: by entry_path, 2: by exit_path, 3: by origin
    value          integer     NOT NULL,    -- 0: none
    viewed         boolean     NOT NULL,    -- the sessions have a page view
    bot            boolean     NOT NULL,    -- all events of the sessions are bots'
    sessions       bigint      NOT NULL,
    one_page       bigint      NOT NULL,    -- sessions with one page view
    one_event      bigint      NOT NULL,    -- of these, the ones without any other event that is no leave
    duration       bigint      NOT NULL,    -- microseconds
    pages          bigint      NOT NULL,
    events         bigint      NOT NULL,
    -- Sessions by how long they last, see `DURATIONS` of upkeep/sessions_sql.py: where the median is.
    lasting_0 integer NOT NULL, lasting_1 integer NOT NULL, lasting_2 integer NOT NULL, lasting_3 integer NOT NULL,
    lasting_4 integer NOT NULL, lasting_5 integer NOT NULL, lasting_6 integer NOT NULL, lasting_7 integer NOT NULL,
    lasting_8 integer NOT NULL, lasting_9 integer NOT NULL, lasting_10 integer NOT NULL, lasting_11 integer NOT NULL,
    lasting_12 integer NOT NULL, lasting_13 integer NOT NULL, lasting_14 integer NOT NULL, lasting_15 integer NOT NULL,
    lasting_16 integer NOT NULL, lasting_17 integer NOT NULL, lasting_18 integer NOT NULL, lasting_19 integer NOT NULL,
    lasting_20 integer NOT NULL, lasting_21 integer NOT NULL, lasting_22 integer NOT NULL, lasting_23 integer NOT NULL,
    lasting_24 integer NOT NULL, lasting_25 integer NOT NULL, lasting_26 integer NOT NULL, lasting_27 integer NOT NULL,
    lasting_28 integer NOT NULL, lasting_29 integer NOT NULL, lasting_30 integer NOT NULL, lasting_31 integer NOT NULL,
    PRIMARY KEY (site_id, kind, hour, value, viewed, bot)
) WITH (fillfactor = 80);

-- Events that are in no session by an id of their own: queries about visits look for them, and mostly find none.
CREATE INDEX events_loose ON events (site_id, timestamp) WHERE session_id IS NULL AND user_id IS NOT NULL;

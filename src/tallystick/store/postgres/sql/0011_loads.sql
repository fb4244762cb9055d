-- Which transaction stored which events. What housekeeping builds from events covers each event once, in whatever order
-- the transactions commit.

-- One row for each transaction that stored events. The row is deleted once all that is built from events covers them.
CREATE TABLE loads (
    load_id bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    oldest  timestamptz NOT NULL,
    newest  timestamptz NOT NULL,
    events  bigint      NOT NULL,
    place   bigint              -- its place in the order in which housekeeping saw loads; NULL: not seen yet
);
CREATE SEQUENCE load_places;

-- How far that which is built from events has come, one row each.
CREATE TABLE upkeep_marks (
    name         text        COLLATE "C" PRIMARY KEY,
    rules        text        NOT NULL,  -- what was built by other rules counts as missing
    place        bigint      NOT NULL,  -- loads up to this place are covered
    built_before timestamptz            -- while older events are covered first: up to where; NULL: all are
);

ALTER TABLE events ADD COLUMN load_id bigint;   -- NULL: stored before there was this column
-- A load's events are found in the few pages that it wrote.
CREATE INDEX events_load ON events USING brin (load_id) WITH (pages_per_range = 16, autosummarize = on);

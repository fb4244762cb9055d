-- Instants are UTC without a zone, microseconds. No indexes: DuckDB prunes by the minima and maxima of its row groups.

CREATE TABLE events (
    event_id    UUID      NOT NULL,
    site_id     VARCHAR   NOT NULL,
    name        VARCHAR   NOT NULL,
    timestamp   TIMESTAMP NOT NULL,
    received_at TIMESTAMP NOT NULL,
    user_id     VARCHAR,
    session_id  VARCHAR,
    source      VARCHAR   NOT NULL,
    path        VARCHAR,
    properties  VARCHAR   NOT NULL,     -- a JSON object's text; of a key that stands twice the first counts
    -- Which generation of property_slots this row's slot columns (p0, k0, p1, …) hold; NULL: none yet.
    shredded    SMALLINT
);

-- Frequent property keys get columns of their own, filled while nothing waits: `p<slot>` has the value's text, `k<slot>`
-- its kind (1 string, 2 number, 3 boolean, 4 array or object). The columns are added to `events` when a key gets its slot.
CREATE TABLE property_slots (
    slot       INTEGER  NOT NULL,
    key        VARCHAR  NOT NULL,
    generation SMALLINT NOT NULL        -- rows with shredded >= generation have it
);

-- Counts per quarter hour (every time zone's buckets are made of these). Appended deltas: always SUM.
CREATE TABLE rollup (
    site_id       VARCHAR   NOT NULL,
    bucket        TIMESTAMP NOT NULL,
    name          VARCHAR   NOT NULL,
    source        VARCHAR   NOT NULL,
    events        BIGINT    NOT NULL,
    last_received TIMESTAMP NOT NULL
);

-- Who was seen in a quarter hour. Rows may repeat until compacted: always DISTINCT.
CREATE TABLE people (
    site_id VARCHAR   NOT NULL,
    bucket  TIMESTAMP NOT NULL,
    user_id VARCHAR   NOT NULL
);

-- How many rows a day of a rollup had after it was last compacted.
CREATE TABLE compactions (
    name VARCHAR   NOT NULL,
    day  TIMESTAMP NOT NULL,
    rows BIGINT    NOT NULL
);

-- The ledger: what became of each block. Old, complete prefixes of an ingester are folded into ledger_folded.
CREATE TABLE blocks (
    ingester   VARCHAR   NOT NULL,
    seq        BIGINT    NOT NULL,
    count      BIGINT    NOT NULL,
    stored     BIGINT    NOT NULL,
    duplicates BIGINT    NOT NULL,
    conflicts  BIGINT    NOT NULL,      -- duplicates whose payload differs; part of duplicates
    dead       BIGINT    NOT NULL,
    loaded_at  TIMESTAMP NOT NULL
);

CREATE TABLE ledger_folded (
    ingester   VARCHAR NOT NULL,
    folded     BIGINT  NOT NULL,        -- all blocks with seq < folded are in this sum; always SUM, MAX(folded)
    count      BIGINT  NOT NULL,
    stored     BIGINT  NOT NULL,
    duplicates BIGINT  NOT NULL,
    conflicts  BIGINT  NOT NULL,
    dead       BIGINT  NOT NULL,
    loaded_at  TIMESTAMP NOT NULL       -- of the newest of these blocks
);

CREATE SEQUENCE dead_letter_ids;
CREATE TABLE dead_letters (
    id       BIGINT    NOT NULL DEFAULT nextval('dead_letter_ids'),
    ingester VARCHAR   NOT NULL,
    seq      BIGINT    NOT NULL,
    index    INTEGER   NOT NULL,        -- place in the block; -1: the block itself is broken
    original BLOB      NOT NULL,
    code     VARCHAR   NOT NULL,
    reason   VARCHAR   NOT NULL,
    events   BIGINT    NOT NULL,        -- how many events it stands for
    attempts INTEGER   NOT NULL,
    dead_at  TIMESTAMP NOT NULL,
    state    VARCHAR   NOT NULL         -- dead, replayed, dropped
);

-- What retention removed, so that the books still close.
CREATE TABLE purges (
    purged_at TIMESTAMP NOT NULL,
    before TIMESTAMP NOT NULL,
    events BIGINT    NOT NULL
);

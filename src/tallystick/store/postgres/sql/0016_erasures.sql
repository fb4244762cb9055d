-- Erased persons: tombstones with keyed hashes of their ids, receipts, and events that are not stored because of them.

ALTER TABLE blocks ADD COLUMN erased bigint NOT NULL DEFAULT 0;
ALTER TABLE ledger_folded ADD COLUMN erased bigint NOT NULL DEFAULT 0;

-- The key of the hashes, as hexadecimal digits; made at the first erasure.
CREATE TABLE erasure_keys (
    id  bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    key text   NOT NULL
);

-- An erased id. An erasure of a person has a row for each id.
CREATE TABLE tombstones (
    site_id   text        COLLATE "C" NOT NULL,
    digest    text        COLLATE "C" NOT NULL, -- keyed hash of site and user id
    erased_at timestamptz NOT NULL,             -- events that were received until then are not stored
    until     timestamptz NOT NULL,             -- nor are those that happened until then
    blocked   boolean     NOT NULL              -- nor any other
);

-- Receipts.
CREATE TABLE erasures (
    id           text        COLLATE "C" NOT NULL PRIMARY KEY,
    site_id      text        COLLATE "C" NOT NULL,
    digest       text        COLLATE "C" NOT NULL,  -- of the id that was given
    erased_at    timestamptz NOT NULL,
    until        timestamptz NOT NULL,
    blocked      boolean     NOT NULL,
    ids          bigint      NOT NULL,
    events       bigint      NOT NULL,
    sessions     bigint      NOT NULL,
    dead_letters bigint      NOT NULL,
    first        timestamptz,                       -- event times; null: there was no event
    last         timestamptz
);

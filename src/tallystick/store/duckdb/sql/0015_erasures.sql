-- Erased persons: tombstones with keyed hashes of their ids, receipts, and events that are not stored because of them.

ALTER TABLE blocks ADD COLUMN erased BIGINT DEFAULT 0;
ALTER TABLE ledger_folded ADD COLUMN erased BIGINT DEFAULT 0;

-- The key of the hashes, as hexadecimal digits; made at the first erasure.
CREATE TABLE erasure_keys (
    key VARCHAR NOT NULL
);

-- An erased id. An erasure of a person has a row for each id.
CREATE TABLE tombstones (
    site_id   VARCHAR   NOT NULL,
    digest    VARCHAR   NOT NULL,       -- keyed hash of site and user id
    erased_at TIMESTAMP NOT NULL,       -- events that were received until then are not stored
    until     TIMESTAMP NOT NULL,       -- nor are those that happened until then
    blocked   BOOLEAN   NOT NULL        -- nor any other
);

-- Receipts.
CREATE TABLE erasures (
    id           VARCHAR   NOT NULL,
    site_id      VARCHAR   NOT NULL,
    digest       VARCHAR   NOT NULL,    -- of the id that was given
    erased_at    TIMESTAMP NOT NULL,
    until        TIMESTAMP NOT NULL,
    blocked      BOOLEAN   NOT NULL,
    ids          BIGINT    NOT NULL,
    events       BIGINT    NOT NULL,
    sessions     BIGINT    NOT NULL,
    dead_letters BIGINT    NOT NULL,
    first        TIMESTAMP,             -- event times; null: there was no event
    last         TIMESTAMP
);

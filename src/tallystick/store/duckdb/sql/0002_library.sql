-- Saved reports, boards and share links: small documents with ids. They change on the writing thread alone.
-- Instants are microseconds since 1970, UTC: `updated_at` is also the version that a change names, compared exactly.

CREATE TABLE library (
    kind       VARCHAR NOT NULL,        -- report, board
    id         VARCHAR NOT NULL,
    site_id    VARCHAR,                 -- null: of every site
    body       VARCHAR NOT NULL,        -- the rest, JSON
    created_at BIGINT  NOT NULL,
    updated_at BIGINT  NOT NULL
);

-- Of a token only the SHA-256 is kept.
CREATE TABLE shares (
    id           VARCHAR NOT NULL,
    board_id     VARCHAR NOT NULL,
    name         VARCHAR NOT NULL,
    digest       BLOB    NOT NULL,
    created_at   BIGINT  NOT NULL,
    expires_at   BIGINT,                -- null: never
    last_used_at BIGINT                 -- null: never; otherwise right to a minute
);

-- Saved reports, boards and share links: small documents with ids. Changes are made one at a time (locks.LIBRARY).
-- Instants are microseconds since 1970, UTC: `updated_at` is also the version that a change names, compared exactly.

CREATE TABLE library (
    kind       text   COLLATE "C" NOT NULL,     -- report, board
    id         text   COLLATE "C" NOT NULL,
    site_id    text   COLLATE "C",              -- null: of every site
    body       text   NOT NULL,                 -- the rest, JSON
    created_at bigint NOT NULL,
    updated_at bigint NOT NULL,
    PRIMARY KEY (id, kind)
);
CREATE INDEX library_site ON library (site_id);

-- Of a token only the SHA-256 is kept.
CREATE TABLE shares (
    id           text   COLLATE "C" PRIMARY KEY,
    board_id     text   COLLATE "C" NOT NULL,
    name         text   NOT NULL,
    digest       bytea  NOT NULL,
    created_at   bigint NOT NULL,
    expires_at   bigint,                        -- null: never
    last_used_at bigint                         -- null: never; otherwise right to a minute
);
CREATE INDEX shares_board ON shares (board_id);

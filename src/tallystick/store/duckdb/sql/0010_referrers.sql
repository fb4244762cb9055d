-- Which kind of site a domain is, for the channels of sessions. Filled when the store is opened
-- (store/duckdb/upkeep/referrers.py); `referrers_version` has at most one row.
CREATE TABLE referrers (
    domain     VARCHAR NOT NULL,
    kind       VARCHAR NOT NULL,        -- search, social, …, internal
    subdomains BOOLEAN NOT NULL         -- whether its subdomains are of this kind
);
CREATE TABLE referrers_version (version VARCHAR NOT NULL);

-- The session index is built anew, with the host of the entry event and the referring domain that is not the site's own.
DELETE FROM session_mark;
DELETE FROM session_parts;
ALTER TABLE session_parts ADD COLUMN host VARCHAR;
ALTER TABLE session_parts ADD COLUMN referring_site VARCHAR;

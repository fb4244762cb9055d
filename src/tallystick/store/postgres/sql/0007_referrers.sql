-- Which kind of site a domain is, for the channels of sessions. Filled when the store is opened
-- (store/postgres/upkeep/referrers.py); `referrers_version` has at most one row.
CREATE TABLE referrers (
    domain     text COLLATE "C" PRIMARY KEY,
    kind       text COLLATE "C" NOT NULL,       -- search, social, …, internal
    subdomains boolean NOT NULL                 -- whether its subdomains are of this kind
);
CREATE TABLE referrers_version (version text NOT NULL);

-- The tables of keys and accounts, in types that SQLite and PostgreSQL share. Instants are microseconds since 1970,
-- digests are in hexadecimal, lists are JSON.

-- name: state
-- `version` grows with every change that other processes have to see.
CREATE TABLE IF NOT EXISTS state (
    one BIGINT PRIMARY KEY CHECK (one = 1),
    schema_version BIGINT NOT NULL,
    version BIGINT NOT NULL,
    proof TEXT NOT NULL
);

-- name: sites
CREATE TABLE IF NOT EXISTS sites (site_id TEXT PRIMARY KEY, name TEXT NOT NULL, created_at BIGINT NOT NULL);

-- name: keys
CREATE TABLE IF NOT EXISTS keys (
    id TEXT PRIMARY KEY,
    digest TEXT NOT NULL UNIQUE,
    kind TEXT NOT NULL,
    name TEXT NOT NULL,
    sites TEXT NOT NULL,
    rights TEXT NOT NULL,
    origins TEXT NOT NULL,
    hint TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    created_by TEXT NOT NULL,
    last_used_at BIGINT,
    revoked_at BIGINT
);

-- name: key_quotas
-- What a key may send a second, where that is not what the settings say; NULL: as these say, 0: no quota.
CREATE TABLE IF NOT EXISTS key_quotas (key_id TEXT PRIMARY KEY, events BIGINT, bytes BIGINT);

-- name: users
CREATE TABLE IF NOT EXISTS users (
    id TEXT PRIMARY KEY,
    email TEXT NOT NULL UNIQUE,
    name TEXT NOT NULL,
    password TEXT NOT NULL,
    admin BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    last_login_at BIGINT
);

-- name: roles
CREATE TABLE IF NOT EXISTS roles (
    user_id TEXT NOT NULL, site_id TEXT NOT NULL, role TEXT NOT NULL, PRIMARY KEY (user_id, site_id)
);

-- name: invitations
CREATE TABLE IF NOT EXISTS invitations (
    id TEXT PRIMARY KEY,
    digest TEXT NOT NULL UNIQUE,
    kind TEXT NOT NULL,
    email TEXT,
    user_id TEXT,
    admin BIGINT NOT NULL,
    roles TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    created_by TEXT NOT NULL,
    expires_at BIGINT NOT NULL
);

-- name: identities
-- By whom of an OpenID provider an account is used: `subject` is that person's id at the issuer.
CREATE TABLE IF NOT EXISTS identities (
    issuer TEXT NOT NULL,
    subject TEXT NOT NULL,
    user_id TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    PRIMARY KEY (issuer, subject),
    UNIQUE (user_id, issuer)
);

-- name: sign_ons
-- Logins with a provider that have ended well, by a digest of their token, until nobody can repeat them.
CREATE TABLE IF NOT EXISTS sign_ons (digest TEXT PRIMARY KEY, expires_at BIGINT NOT NULL);

-- name: sessions
CREATE TABLE IF NOT EXISTS sessions (
    digest TEXT PRIMARY KEY,
    user_id TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    last_used_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    address TEXT NOT NULL,
    user_agent TEXT NOT NULL
);

-- name: attempts
-- Failed logins in a row, of an account or from an address; `subject` is a digest.
CREATE TABLE IF NOT EXISTS attempts (subject TEXT PRIMARY KEY, failures BIGINT NOT NULL, last_at BIGINT NOT NULL);

-- name: audit
CREATE TABLE IF NOT EXISTS audit (
    id TEXT PRIMARY KEY,
    at BIGINT NOT NULL,
    actor TEXT NOT NULL,
    action TEXT NOT NULL,
    subject TEXT NOT NULL,
    site_id TEXT,
    address TEXT,
    details TEXT NOT NULL
);

-- name: audit_by_time
CREATE INDEX IF NOT EXISTS audit_by_time ON audit (at, id);

-- What a backup and a move carry of keys and accounts: all but logins and attempts to log in.

-- name: carry_sites
SELECT site_id, name, created_at FROM sites ORDER BY site_id;

-- name: place_sites
INSERT INTO sites (site_id, name, created_at) VALUES ($1, $2, $3);

-- name: carry_keys
SELECT id, digest, kind, name, sites, rights, origins, hint, created_at, created_by, last_used_at, revoked_at
FROM keys ORDER BY id;

-- name: place_keys
INSERT INTO keys (
    id, digest, kind, name, sites, rights, origins, hint, created_at, created_by, last_used_at, revoked_at
) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12);

-- name: carry_key_quotas
SELECT key_id, events, bytes FROM key_quotas ORDER BY key_id;

-- name: place_key_quotas
INSERT INTO key_quotas (key_id, events, bytes) VALUES ($1, $2, $3);

-- name: carry_users
SELECT id, email, name, password, admin, created_at, last_login_at FROM users ORDER BY id;

-- name: place_users
INSERT INTO users (id, email, name, password, admin, created_at, last_login_at) VALUES ($1, $2, $3, $4, $5, $6, $7);

-- name: carry_roles
SELECT user_id, site_id, role FROM roles ORDER BY user_id, site_id;

-- name: place_roles
INSERT INTO roles (user_id, site_id, role) VALUES ($1, $2, $3);

-- name: carry_invitations
SELECT id, digest, kind, email, user_id, admin, roles, created_at, created_by, expires_at FROM invitations ORDER BY id;

-- name: place_invitations
INSERT INTO invitations (id, digest, kind, email, user_id, admin, roles, created_at, created_by, expires_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10);

-- name: carry_identities
SELECT issuer, subject, user_id, created_at FROM identities ORDER BY issuer, subject;

-- name: place_identities
INSERT INTO identities (issuer, subject, user_id, created_at) VALUES ($1, $2, $3, $4);

-- name: carry_audit
SELECT id, at, actor, action, subject, site_id, address, details FROM audit ORDER BY at, id;

-- name: place_audit
INSERT INTO audit (id, at, actor, action, subject, site_id, address, details) VALUES ($1, $2, $3, $4, $5, $6, $7, $8);

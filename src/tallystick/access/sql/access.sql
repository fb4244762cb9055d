-- Keys and accounts: the same statements for SQLite and PostgreSQL. The scripts in access/scripts/ run them.

-- name: insert_state
INSERT INTO state (one, schema_version, version, proof) VALUES (1, $1, 1, $2) ON CONFLICT (one) DO NOTHING;

-- name: state
SELECT schema_version, version, proof FROM state;

-- name: set_schema_version
UPDATE state SET schema_version = $1 WHERE schema_version < $1;

-- name: bump
-- Show the change to other processes; on PostgreSQL the row's lock makes changes one at a time.
UPDATE state SET version = version + 1;

-- name: lock_state
-- Wait for the transaction that changes something now, without a new version.
UPDATE state SET version = version;

-- name: sites
SELECT site_id, name, created_at FROM sites ORDER BY site_id;

-- name: site
SELECT site_id FROM sites WHERE site_id = $1;

-- name: insert_site
INSERT INTO sites (site_id, name, created_at) VALUES ($1, $2, $3);

-- name: delete_site
DELETE FROM sites WHERE site_id = $1;

-- name: delete_roles_of_site
DELETE FROM roles WHERE site_id = $1;

-- name: keys
SELECT id, kind, name, sites, rights, origins, hint, created_at, created_by, last_used_at, revoked_at, digest
FROM keys ORDER BY created_at, id;

-- name: key_quotas
SELECT key_id, events, bytes FROM key_quotas;

-- name: delete_key_quota
DELETE FROM key_quotas WHERE key_id = $1;

-- name: insert_key_quota
INSERT INTO key_quotas (key_id, events, bytes) VALUES ($1, $2, $3);

-- name: insert_key
INSERT INTO keys (id, digest, kind, name, sites, rights, origins, hint, created_at, created_by)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10);

-- name: revoke_key
UPDATE keys SET revoked_at = $2 WHERE id = $1 AND revoked_at IS NULL;

-- name: replace_sites_of_key
UPDATE keys SET sites = $2 WHERE id = $1;

-- name: touch_key
UPDATE keys SET last_used_at = $2 WHERE id = $1 AND (last_used_at IS NULL OR last_used_at < $2);

-- name: users
-- Select the accounts, with 1 for those that have a password, and 1 for those that a person of a provider uses.
SELECT id, email, name, admin, created_at, last_login_at, CASE WHEN password = '' THEN 0 ELSE 1 END,
    CASE WHEN EXISTS (SELECT 1 FROM identities WHERE user_id = users.id) THEN 1 ELSE 0 END
FROM users ORDER BY email;

-- name: users_of_first_schema
-- As `users`, where nobody came from a provider yet.
SELECT id, email, name, admin, created_at, last_login_at, CASE WHEN password = '' THEN 0 ELSE 1 END, 0
FROM users ORDER BY email;

-- name: user
SELECT id, email, name, admin, created_at, last_login_at, CASE WHEN password = '' THEN 0 ELSE 1 END,
    CASE WHEN EXISTS (SELECT 1 FROM identities WHERE user_id = users.id) THEN 1 ELSE 0 END
FROM users WHERE id = $1;

-- name: user_with_password
SELECT id, password FROM users WHERE email = $1;

-- name: password
SELECT password FROM users WHERE id = $1;

-- name: count_admins
SELECT count(*) FROM users WHERE admin = 1;

-- name: insert_user
INSERT INTO users (id, email, name, password, admin, created_at) VALUES ($1, $2, $3, $4, $5, $6);

-- name: set_admin
UPDATE users SET admin = $2 WHERE id = $1;

-- name: set_password
UPDATE users SET password = $2 WHERE id = $1;

-- name: touch_login
UPDATE users SET last_login_at = $2 WHERE id = $1;

-- name: delete_user
DELETE FROM users WHERE id = $1;

-- name: roles
SELECT user_id, site_id, role FROM roles ORDER BY user_id, site_id;

-- name: roles_of
SELECT user_id, site_id, role FROM roles WHERE user_id = $1 ORDER BY site_id;

-- name: delete_role
DELETE FROM roles WHERE user_id = $1 AND site_id = $2;

-- name: insert_role
INSERT INTO roles (user_id, site_id, role) VALUES ($1, $2, $3);

-- name: delete_roles_of_user
DELETE FROM roles WHERE user_id = $1;

-- name: invitations
-- Select the invitations that are neither used nor expired at an instant.
SELECT id, kind, email, user_id, admin, roles, created_at, created_by, expires_at FROM invitations
WHERE expires_at > $1 ORDER BY created_at, id;

-- name: invitation_of_digest
SELECT id, kind, email, user_id, admin, roles, created_at, created_by, expires_at FROM invitations
WHERE digest = $1 AND expires_at > $2;

-- name: invitation_of_email
SELECT id, kind, email, user_id, admin, roles, created_at, created_by, expires_at FROM invitations
WHERE kind = 'invitation' AND email = $1 AND expires_at > $2;

-- name: insert_invitation
INSERT INTO invitations (id, digest, kind, email, user_id, admin, roles, created_at, created_by, expires_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10);

-- name: delete_invitation
DELETE FROM invitations WHERE id = $1;

-- name: replace_roles_of_invitation
UPDATE invitations SET roles = $2 WHERE id = $1;

-- name: delete_other_invitations
-- Delete what a new invitation replaces: those of its kind for the same e-mail address, and expired ones.
DELETE FROM invitations WHERE expires_at <= $3 OR (kind = $1 AND coalesce(email, '') = $2);

-- name: delete_invitations_of_user
DELETE FROM invitations WHERE user_id = $1;

-- name: identity
SELECT user_id FROM identities WHERE issuer = $1 AND subject = $2;

-- name: identity_of_user
SELECT subject FROM identities WHERE user_id = $1 AND issuer = $2;

-- name: insert_identity
INSERT INTO identities (issuer, subject, user_id, created_at) VALUES ($1, $2, $3, $4);

-- name: delete_identities_of_user
DELETE FROM identities WHERE user_id = $1;

-- name: sign_on
SELECT digest FROM sign_ons WHERE digest = $1;

-- name: insert_sign_on
INSERT INTO sign_ons (digest, expires_at) VALUES ($1, $2);

-- name: delete_old_sign_ons
DELETE FROM sign_ons WHERE expires_at <= $1;

-- name: session
SELECT digest, user_id, created_at, last_used_at, expires_at, address, user_agent FROM sessions WHERE digest = $1;

-- name: sessions_of
SELECT digest, user_id, created_at, last_used_at, expires_at, address, user_agent FROM sessions
WHERE user_id = $1 ORDER BY created_at, digest;

-- name: insert_session
INSERT INTO sessions (digest, user_id, created_at, last_used_at, expires_at, address, user_agent)
VALUES ($1, $2, $3, $4, $5, $6, $7);

-- name: touch_session
UPDATE sessions SET last_used_at = $2 WHERE digest = $1;

-- name: delete_session
DELETE FROM sessions WHERE digest = $1;

-- name: delete_old_sessions
DELETE FROM sessions WHERE expires_at <= $1 OR last_used_at <= $2;

-- name: delete_sessions_of
-- Delete the sessions of a user, but for one of this digest.
DELETE FROM sessions WHERE user_id = $1 AND digest <> $2;

-- name: attempts
SELECT failures, last_at FROM attempts WHERE subject = $1;

-- name: give_back_attempt
-- Take back what a login that succeeded was counted as before it was tried.
UPDATE attempts SET failures = failures - 1 WHERE subject = $1 AND failures > 0;

-- name: delete_attempts
DELETE FROM attempts WHERE subject = $1;

-- name: delete_old_attempts
DELETE FROM attempts WHERE last_at <= $1;

-- name: insert_attempts
INSERT INTO attempts (subject, failures, last_at) VALUES ($1, $2, $3);

-- name: insert_audit
INSERT INTO audit (id, at, actor, action, subject, site_id, address, details) VALUES ($1, $2, $3, $4, $5, $6, $7, $8);

-- name: audit
-- Select the newest entries before an instant and an id.
SELECT id, at, actor, action, subject, site_id, address, details FROM audit
WHERE at < $1 OR (at = $1 AND id < $2) ORDER BY at DESC, id DESC LIMIT $3;

-- name: audit_entry
SELECT at, id FROM audit WHERE id = $1;

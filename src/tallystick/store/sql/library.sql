-- Saved reports, boards and share links: the same statements for every store. Scripts in store/library.py run them.

-- name: documents
-- Select the documents of a site, or (null) all; the oldest first.
SELECT kind, id, site_id, body, created_at, updated_at FROM library
WHERE kind = $1 AND ($2::text IS NULL OR site_id = $2) ORDER BY created_at, id;

-- name: document
SELECT kind, id, site_id, body, created_at, updated_at FROM library WHERE kind = $1 AND id = $2;

-- name: count_documents
-- Count the documents of a site, or (null) of every site together.
SELECT count(*) FROM library WHERE kind = $1 AND site_id IS NOT DISTINCT FROM $2::text;

-- name: insert_document
INSERT INTO library (kind, id, site_id, body, created_at, updated_at) VALUES ($1, $2, $3, $4, $5, $6);

-- name: update_document
UPDATE library SET body = $3, updated_at = $4 WHERE kind = $1 AND id = $2;

-- name: delete_document
DELETE FROM library WHERE kind = $1 AND id = $2;

-- name: sites_of_reports
-- Select the site of each of these reports.
SELECT id, site_id FROM library WHERE kind = 'report' AND id = ANY($1::text[]);

-- name: boards_for_site
-- Select the boards that may show a report of this site (null: of every site).
SELECT kind, id, site_id, body, created_at, updated_at FROM library
WHERE kind = 'board' AND (site_id IS NULL OR site_id = $1::text) ORDER BY created_at, id;

-- name: shares
-- Select the shares of a board; the oldest first.
SELECT id, board_id, name, digest, created_at, expires_at, last_used_at FROM shares
WHERE board_id = $1 ORDER BY created_at, id;

-- name: share
SELECT id, board_id, name, digest, created_at, expires_at, last_used_at FROM shares WHERE id = $1;

-- name: insert_share
INSERT INTO shares (id, board_id, name, digest, created_at, expires_at, last_used_at)
VALUES ($1, $2, $3, $4, $5, $6, $7);

-- name: touch_share
-- Set when a share was last used; an earlier time changes nothing.
UPDATE shares SET last_used_at = $2 WHERE id = $1 AND (last_used_at IS NULL OR last_used_at < $2);

-- name: delete_share
DELETE FROM shares WHERE id = $1;

-- name: delete_shares_of
DELETE FROM shares WHERE board_id = $1;

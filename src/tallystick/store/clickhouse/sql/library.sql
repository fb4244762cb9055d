-- Saved reports, boards and share links: the statements of store/sql/library.sql that select, as ClickHouse has them. A
-- change inserts a row as a whole, with a later version; one that is gone deletes it (library.py).

-- name: documents
-- Select the documents of a site, or (NULL) all; the oldest first.
SELECT kind, id, site_id, body, created_at, updated_at FROM library FINAL
WHERE kind = {p1:String} AND ({p2:Nullable(String)} IS NULL OR site_id = {p2:Nullable(String)}) ORDER BY created_at, id;

-- name: document
SELECT kind, id, site_id, body, created_at, updated_at FROM library FINAL WHERE kind = {p1:String} AND id = {p2:String};

-- name: count_documents
-- Count the documents of a site, or (NULL) of every site together.
SELECT toInt64(count()) FROM library FINAL WHERE kind = {p1:String} AND site_id <=> {p2:Nullable(String)};

-- name: sites_of_reports
-- Select the site of each of these reports.
SELECT id, site_id FROM library FINAL WHERE kind = 'report' AND id IN {p1:Array(String)};

-- name: boards_for_site
-- Select the boards that may show a report of this site (NULL: of every site).
SELECT kind, id, site_id, body, created_at, updated_at FROM library FINAL
WHERE kind = 'board' AND (site_id IS NULL OR site_id = {p1:Nullable(String)}) ORDER BY created_at, id;

-- name: shares
-- Select the shares of a board; the oldest first.
SELECT id, board_id, name, digest, created_at, expires_at, last_used_at FROM shares FINAL
WHERE board_id = {p1:String} ORDER BY created_at, id;

-- name: share
SELECT id, board_id, name, digest, created_at, expires_at, last_used_at FROM shares FINAL WHERE id = {p1:String};

-- name: enter_documents
INSERT INTO library (kind, id, site_id, body, created_at, updated_at, version, gone) FORMAT JSONEachRow;

-- name: enter_shares
INSERT INTO shares (id, board_id, name, digest, created_at, expires_at, last_used_at, version, gone) FORMAT JSONEachRow;

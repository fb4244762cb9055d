-- The user that runs users' SQL statements: what it reads, and how it is created (see role.py).

-- name: create_secret
-- Create the table of the secret, which the user may not read.
CREATE TABLE IF NOT EXISTS sql_secret (
    secret  String,
    made_at DateTime64(6, 'UTC')        -- of several the first one counts
) ENGINE = MergeTree
ORDER BY tuple()
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1;

-- name: has_secret
SELECT count() > 0 FROM sql_secret;

-- name: insert_secret
INSERT INTO sql_secret (secret, made_at) FORMAT JSONEachRow;

-- name: seal
-- Select the seal of a scope: without the secret it cannot be made. The inner digest prevents a length extension.
SELECT lower(hex(SHA256(concat(secret, SHA256(concat(secret, {scope:String}))))))
FROM (SELECT argMin(secret, (made_at, secret)) AS secret FROM sql_secret);

-- name: view_text
-- Select the text of a view as it is now.
SELECT comment FROM system.tables WHERE database = currentDatabase() AND name = {name:String};

-- name: site_events
-- Create the view of one site. It is read with the rights of the store's user, and only with the seal of that site.
-- PREWHERE drops the rows of other sites before any condition of the statement is evaluated: otherwise an error ("cannot
-- parse 'x'") would show what such a row holds. ClickHouse adds nothing to a PREWHERE that is written out.
CREATE OR REPLACE VIEW site_events DEFINER = CURRENT_USER SQL SECURITY DEFINER AS
SELECT event_id, toString(site_id) AS site_id, toString(name) AS name, timestamp, received_at, user_id, session_id,
       toString(source) AS source, path, properties
FROM events FINAL
PREWHERE events.site_id = {{site:String}}
WHERE (
    SELECT throwIf(
        lower(hex(SHA256(concat(secret, SHA256(concat(secret, 'site ', {{site:String}})))))) <> {{seal:String}},
        'the seal of this statement''s site is missing or wrong')
    FROM (SELECT argMin(secret, (made_at, secret)) AS secret FROM sql_secret)
) = 0
COMMENT {comment};

-- name: all_events
-- Create the view of all sites, which is read with a seal of its own.
CREATE OR REPLACE VIEW all_events DEFINER = CURRENT_USER SQL SECURITY DEFINER AS
SELECT event_id, toString(site_id) AS site_id, toString(name) AS name, timestamp, received_at, user_id, session_id,
       toString(source) AS source, path, properties
FROM events FINAL
WHERE (
    SELECT throwIf(
        lower(hex(SHA256(concat(secret, SHA256(concat(secret, 'all')))))) <> {{seal:String}},
        'the seal of this statement''s site is missing or wrong')
    FROM (SELECT argMin(secret, (made_at, secret)) AS secret FROM sql_secret)
) = 0
COMMENT {comment};

-- name: settings
-- Select settings of the user that asks.
SELECT name, value FROM system.settings WHERE name IN {names:Array(String)};

-- name: grants
SHOW GRANTS;

-- name: setup
-- {title}
-- To be run again after an upgrade of Tallystick that says so; it changes nothing that is right already.
CREATE USER IF NOT EXISTS {user};
ALTER USER {user} IDENTIFIED WITH sha256_hash BY '{digest}' SALT '{salt}'
SETTINGS {settings};
REVOKE ALL ON *.* FROM {user};
GRANT SELECT ON {database}.site_events TO {user};
GRANT SELECT ON {database}.all_events TO {user};

-- name: setup_xml
<clickhouse>
    <profiles>
        <{user}>
{settings}
        </{user}>
    </profiles>
    <users>
        <{user}>
            <password_sha256_hex>{digest}</password_sha256_hex>
            <networks><ip>::/0</ip></networks>
            <profile>{user}</profile>
            <quota>default</quota>
            <grants>
{grants}
            </grants>
        </{user}>
    </users>
</clickhouse>

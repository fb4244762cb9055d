-- What a statement of a user's own reads, as a role that may read nothing else (see role.py). Whoever can set
-- `runnel.site` gets nothing by it: beside it stands a seal, which only who knows the secret can make. Functions are
-- bound to what they name when they are made, so that no search path changes what they mean.

CREATE TABLE sql_secret (
    secret bytea NOT NULL               -- 32 bytes; one row
);
INSERT INTO sql_secret
VALUES (sha256(convert_to(concat(gen_random_uuid(), gen_random_uuid(), gen_random_uuid()), 'UTF8')));

CREATE FUNCTION sql_refused() RETURNS text LANGUAGE plpgsql PARALLEL SAFE AS $$
BEGIN
    RAISE insufficient_privilege USING MESSAGE = 'the seal of this statement''s site is missing or wrong';
END $$;

-- The one site that the transaction may read.
CREATE FUNCTION sql_site() RETURNS text LANGUAGE sql STABLE PARALLEL SAFE SECURITY DEFINER
RETURN (
    SELECT CASE
        WHEN current_setting('runnel.seal', true) = encode(sha256(secret || sha256(secret || convert_to(
            'site ' || current_setting('runnel.site', true), 'UTF8'))), 'hex')
        THEN current_setting('runnel.site', true)
        ELSE sql_refused()
    END
    FROM sql_secret
);

-- Whether the transaction may read all sites; an error when it may not.
CREATE FUNCTION sql_all() RETURNS boolean LANGUAGE sql STABLE PARALLEL SAFE SECURITY DEFINER
RETURN (
    SELECT CASE
        WHEN current_setting('runnel.seal', true)
             = encode(sha256(secret || sha256(secret || convert_to('all', 'UTF8'))), 'hex')
        THEN true
        ELSE sql_refused() IS NULL
    END
    FROM sql_secret
);

-- A barrier: see 0004_sql.sql. The functions are asked once in a statement, not once a row; in return PostgreSQL scans
-- such a view in one process.
CREATE OR REPLACE VIEW site_events WITH (security_barrier) AS
SELECT event_id, site_id, name, timestamp, received_at, user_id, session_id, source, path, properties
FROM events
WHERE site_id = (SELECT sql_site());

CREATE VIEW all_events AS
SELECT event_id, site_id, name, timestamp, received_at, user_id, session_id, source, path, properties
FROM events
WHERE (SELECT sql_all());

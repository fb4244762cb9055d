-- The role that runs users' SQL statements: what it may do, and how it is created (see role.py).

-- name: harmless
-- The condition under which the role may call a function `p` of pg_proc: it is listed in usersql/functions.py, it
-- implements an operator or cast of PostgreSQL, it is Tallystick's own, or its internal arguments rule out a call.
   2281 = ANY (p.proargtypes) OR p.prorettype IN (2279, 3838)
   OR p.oid < 16384 AND p.pronamespace = 'pg_catalog'::regnamespace AND (
          p.proname IN ({names})
       OR p.provolatile <> 'v' AND (
              p.oid IN (SELECT oprcode FROM pg_operator) OR p.oid IN (SELECT castfunc FROM pg_cast)))
   OR p.pronamespace = to_regnamespace({schema})
      AND p.proowner = (SELECT relowner FROM pg_class WHERE oid = to_regclass({schema} || '.events'))
      AND (p.proname IN ('sql_site', 'sql_all', 'sql_refused') OR p.provolatile = 'i' AND NOT p.prosecdef);

-- name: faults
-- Select what the role $1 is or may do beyond reading the two views. Run by the store's user.
WITH role AS (SELECT * FROM pg_roles WHERE rolname = $1)
SELECT 'is a superuser' FROM role WHERE rolsuper
UNION ALL SELECT 'has BYPASSRLS' FROM role WHERE rolbypassrls
UNION ALL SELECT 'has CREATEROLE' FROM role WHERE rolcreaterole
UNION ALL SELECT 'has CREATEDB' FROM role WHERE rolcreatedb
UNION ALL SELECT 'has REPLICATION' FROM role WHERE rolreplication
UNION ALL SELECT 'is a member of ' || roleid::regrole FROM pg_auth_members, role WHERE member = role.oid
UNION ALL SELECT 'owns parts of the database' FROM role WHERE EXISTS (
    SELECT FROM pg_shdepend WHERE refclassid = 'pg_authid'::regclass AND refobjid = role.oid AND deptype = 'o'
)
UNION ALL SELECT 'may make temporary tables' WHERE has_database_privilege($1, current_database(), 'TEMPORARY')
UNION ALL SELECT 'may make schemas' WHERE has_database_privilege($1, current_database(), 'CREATE')
UNION ALL SELECT 'may make tables in the schema ' || nspname FROM pg_namespace
WHERE has_schema_privilege($1, oid, 'CREATE') AND nspname !~ '^pg_(toast_)?temp_'
UNION ALL SELECT 'may use the foreign server ' || srvname FROM pg_foreign_server
WHERE has_server_privilege($1, oid, 'USAGE')
UNION ALL SELECT 'may set ' || parname FROM pg_parameter_acl
WHERE has_parameter_privilege($1, parname, 'SET, ALTER SYSTEM')
UNION ALL SELECT 'may read or change ' || c.oid::regclass FROM pg_class c
WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f')
  AND c.relnamespace NOT IN ('pg_catalog'::regnamespace, 'information_schema'::regnamespace)
  AND (has_table_privilege($1, c.oid, 'INSERT, UPDATE, DELETE, TRUNCATE, REFERENCES, TRIGGER')
    OR has_any_column_privilege($1, c.oid, 'INSERT, UPDATE, REFERENCES')
    OR has_any_column_privilege($1, c.oid, 'SELECT')
       AND c.oid IS DISTINCT FROM to_regclass({schema} || '.site_events')
       AND c.oid IS DISTINCT FROM to_regclass({schema} || '.all_events'))
UNION ALL SELECT 'may use ' || c.oid::regclass FROM pg_class c
WHERE CASE WHEN c.relkind = 'S' THEN has_sequence_privilege($1, c.oid, 'USAGE, SELECT, UPDATE') END
UNION ALL SELECT 'may read ' || c.oid::regclass FROM pg_class c
WHERE c.relnamespace = 'pg_catalog'::regnamespace AND has_any_column_privilege($1, c.oid, 'SELECT')
  AND c.relname IN ('pg_authid', 'pg_shadow', 'pg_statistic', 'pg_statistic_ext_data', 'pg_largeobject',
                    'pg_user_mapping', 'pg_hba_file_rules', 'pg_file_settings', 'pg_config',
                    'pg_backend_memory_contexts')
UNION ALL SELECT * FROM (
    SELECT 'may call ' || p.oid::regprocedure FROM pg_proc p
    WHERE has_function_privilege($1, p.oid, 'EXECUTE') AND NOT ({harmless})
    ORDER BY p.provolatile DESC, p.proname NOT LIKE 'pg%', p.oid
) AS calls;

-- name: setup
-- {title}
-- Functions that only the role is to lose are given back to every other user that there is now. To be run again after
-- CREATE EXTENSION, and for users who come later and need them: it changes nothing that is right already.
BEGIN;
SET LOCAL search_path = pg_catalog;
DO $do$ BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = {literal}) THEN
        CREATE ROLE {role};
    END IF;
END $do$;
ALTER ROLE {role} LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS NOINHERIT PASSWORD {password};
ALTER ROLE {role} SET temp_file_limit = '{spill}MB';  -- for each statement: what it sorts and lists beyond its memory
ALTER ROLE {role} SET work_mem = '{memory}kB';
ALTER ROLE {role} SET statement_timeout = '{seconds}s';
ALTER ROLE {role} SET default_transaction_read_only = on;
DO $do$
DECLARE
    others   text := (SELECT string_agg(quote_ident(rolname), ', ') FROM pg_roles
                      WHERE rolcanlogin AND NOT rolsuper AND rolname <> {literal});
    routines text := (SELECT string_agg(p.oid::regprocedure::text, ', ') FROM pg_proc p
                      WHERE has_function_privilege({literal}, p.oid, 'EXECUTE') AND NOT (
{harmless}
                      ));
    place    text;
BEGIN
    EXECUTE format('REVOKE TEMPORARY, CREATE ON DATABASE %I FROM PUBLIC, {role}', current_database());
    EXECUTE format('GRANT CONNECT ON DATABASE %I TO {role}', current_database());
    EXECUTE format('GRANT USAGE ON SCHEMA %s TO {role}', {schema});
    IF others <> '' THEN
        EXECUTE format('GRANT TEMPORARY ON DATABASE %I TO %s', current_database(), others);
    END IF;
    FOR place IN
        SELECT quote_ident(nspname) FROM pg_namespace
        WHERE has_schema_privilege({literal}, oid, 'CREATE') AND nspname !~ '^pg_(toast_)?temp_'
    LOOP
        EXECUTE format('REVOKE CREATE ON SCHEMA %s FROM PUBLIC, {role}', place);
        IF others <> '' THEN
            EXECUTE format('GRANT CREATE ON SCHEMA %s TO %s', place, others);
        END IF;
    END LOOP;
    IF routines <> '' THEN
        EXECUTE format('REVOKE EXECUTE ON ROUTINE %s FROM PUBLIC, {role}', routines);
        IF others <> '' THEN
            EXECUTE format('GRANT EXECUTE ON ROUTINE %s TO %s', routines, others);
        END IF;
    END IF;
END $do$;
COMMIT;

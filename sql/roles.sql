-- Three roles, and what each may do. Can be run again at any time, by a superuser, or by the owner of the schemas if it
-- may create roles.
--
--   syncd_owner    owns both schemas and changes them; nobody logs in as it, `syncd migrate` acts as it
--   syncd_writer   what the service logs in as: reads and writes rows, changes no table, empties none
--   syncd_reader   what BI logs in as: reads schema toggl, and nothing else
--
-- Writer and reader have no password, so nobody can log in as them before: ALTER ROLE syncd_reader PASSWORD '...';

DO $$
DECLARE
    wanted record;
    item   record;
BEGIN
    FOR wanted IN SELECT * FROM (VALUES ('syncd_owner', 'NOLOGIN'), ('syncd_writer', 'LOGIN'), ('syncd_reader', 'LOGIN')) v (name, login) LOOP
        IF NOT EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = wanted.name) THEN
            EXECUTE format('CREATE ROLE %I %s', wanted.name, wanted.login);
        END IF;
    END LOOP;

    -- Whoever migrates must be able to act as the owner.
    IF NOT pg_catalog.pg_has_role(current_user, 'syncd_owner', 'MEMBER') THEN
        EXECUTE format('GRANT syncd_owner TO %I', current_user);
    END IF;
    EXECUTE format('GRANT CREATE ON DATABASE %I TO syncd_owner', pg_catalog.current_database());
    EXECUTE format('GRANT CONNECT ON DATABASE %I TO syncd_writer, syncd_reader', pg_catalog.current_database());

    FOR item IN
        SELECT format('%s %s', kind, name) AS object FROM (
            SELECT 'SCHEMA' AS kind, quote_ident(nspname) AS name, nspowner AS owner FROM pg_catalog.pg_namespace
            WHERE nspname IN ('toggl', 'syncd')
            UNION ALL
            SELECT CASE c.relkind WHEN 'v' THEN 'VIEW' WHEN 'S' THEN 'SEQUENCE' ELSE 'TABLE' END,
                   c.oid::regclass::text, c.relowner
            FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
            WHERE n.nspname IN ('toggl', 'syncd') AND c.relkind IN ('r', 'v', 'S')
            UNION ALL
            SELECT 'FUNCTION', p.oid::regprocedure::text, p.proowner
            FROM pg_catalog.pg_proc p JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace
            WHERE n.nspname IN ('toggl', 'syncd')
        ) mine WHERE owner <> (SELECT oid FROM pg_catalog.pg_roles WHERE rolname = 'syncd_owner')
    LOOP
        EXECUTE format('ALTER %s OWNER TO syncd_owner', item.object);
    END LOOP;
END
$$;

SET LOCAL ROLE syncd_owner;

REVOKE ALL ON SCHEMA toggl, syncd FROM PUBLIC;
GRANT USAGE ON SCHEMA toggl, syncd TO syncd_writer;
GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA toggl, syncd TO syncd_writer;
GRANT USAGE ON ALL SEQUENCES IN SCHEMA syncd TO syncd_writer;
GRANT USAGE ON SCHEMA toggl TO syncd_reader;
GRANT SELECT ON ALL TABLES IN SCHEMA toggl TO syncd_reader;

-- What later migrations add.
ALTER DEFAULT PRIVILEGES IN SCHEMA toggl GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO syncd_writer;
ALTER DEFAULT PRIVILEGES IN SCHEMA syncd GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO syncd_writer;
ALTER DEFAULT PRIVILEGES IN SCHEMA syncd GRANT USAGE ON SEQUENCES TO syncd_writer;
ALTER DEFAULT PRIVILEGES IN SCHEMA toggl GRANT SELECT ON TABLES TO syncd_reader;

RESET ROLE;

-- A report may take a minute, and never writes. Times are UTC whatever the driver makes of them.
ALTER ROLE syncd_reader SET default_transaction_read_only = on;
ALTER ROLE syncd_reader SET statement_timeout = '60s';
ALTER ROLE syncd_reader SET idle_in_transaction_session_timeout = '60s';
ALTER ROLE syncd_reader SET timezone = 'UTC';
ALTER ROLE syncd_reader SET search_path = pg_catalog, toggl;
ALTER ROLE syncd_writer SET search_path = pg_catalog;

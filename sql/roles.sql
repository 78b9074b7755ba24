-- Three roles, and what each may do. Can be run again at any time, by a superuser, or by the owner of the schemas if it
-- may create roles. What an administrator has set for a role stays.
--
--   syncd_owner    owns both schemas and changes them; nobody logs in as it, `syncd migrate` acts as it
--   syncd_writer   what the service logs in as: reads and writes rows, changes no table, empties none
--   syncd_reader   what BI logs in as: reads schema toggl, and nothing else
--
-- Writer and reader have no password, so nobody can log in as them before: ALTER ROLE syncd_reader PASSWORD '...';
-- Whoever owned the schemas before is a member of syncd_owner afterwards, and goes on as it did.

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

    -- Whoever migrates must be able to act as the owner, which from PostgreSQL 16 on not every member is.
    FOR item IN
        SELECT rolname AS name FROM pg_catalog.pg_roles
        WHERE rolname <> 'syncd_owner' AND NOT pg_catalog.pg_has_role(oid, 'syncd_owner', CASE
                WHEN pg_catalog.current_setting('server_version_num')::integer < 160000 THEN 'MEMBER' ELSE 'SET' END)
          AND (rolname = current_user OR oid IN (SELECT nspowner FROM pg_catalog.pg_namespace WHERE nspname IN ('toggl', 'syncd')))
    LOOP
        EXECUTE format('GRANT syncd_owner TO %I', item.name);
    END LOOP;
    -- The server tells who holds a table, since when and for what, to members of that role only: so a migration that has
    -- to wait can say for whom. The owner gains no right by it that it has not got.
    GRANT syncd_writer, syncd_reader TO syncd_owner;
    EXECUTE format('GRANT CREATE ON DATABASE %I TO syncd_owner', pg_catalog.current_database());
    EXECUTE format('GRANT CONNECT ON DATABASE %I TO syncd_writer', pg_catalog.current_database());
    EXECUTE format('GRANT CONNECT ON DATABASE %I TO syncd_reader', pg_catalog.current_database());

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

    -- A report may take a minute, and never writes; a dashboard that runs wild leaves connections for the others. Times
    -- are UTC whatever the driver makes of them.
    IF (SELECT rolconnlimit FROM pg_catalog.pg_roles WHERE rolname = 'syncd_reader') = -1 THEN
        ALTER ROLE syncd_reader CONNECTION LIMIT 50;
    END IF;
    FOR wanted IN SELECT * FROM (VALUES
        ('syncd_reader', 'default_transaction_read_only', 'on'),
        ('syncd_reader', 'statement_timeout', '''60s'''),
        ('syncd_reader', 'idle_in_transaction_session_timeout', '''60s'''),
        ('syncd_reader', 'timezone', '''UTC'''),
        ('syncd_reader', 'search_path', 'pg_catalog, toggl'),
        ('syncd_writer', 'search_path', 'pg_catalog')
    ) v (name, setting, value) LOOP
        IF NOT EXISTS (
            SELECT FROM pg_catalog.pg_db_role_setting s, pg_catalog.pg_roles r, unnest(s.setconfig) AS given
            WHERE r.oid = s.setrole AND r.rolname = wanted.name AND lower(split_part(given, '=', 1)) = wanted.setting
        ) THEN
            EXECUTE format('ALTER ROLE %I SET %s = %s', wanted.name, wanted.setting, wanted.value);
        END IF;
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

-- What later migrations add: they act as the owner, whoever runs them.
ALTER DEFAULT PRIVILEGES FOR ROLE syncd_owner IN SCHEMA toggl GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO syncd_writer;
ALTER DEFAULT PRIVILEGES FOR ROLE syncd_owner IN SCHEMA syncd GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO syncd_writer;
ALTER DEFAULT PRIVILEGES FOR ROLE syncd_owner IN SCHEMA syncd GRANT USAGE ON SEQUENCES TO syncd_writer;
ALTER DEFAULT PRIVILEGES FOR ROLE syncd_owner IN SCHEMA toggl GRANT SELECT ON TABLES TO syncd_reader;

RESET ROLE;

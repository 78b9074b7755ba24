-- Foreign keys that are checked once for all rows that a statement inserts. By itself PostgreSQL looks up the parent of
-- every row by a query of its own, which is half of what a first sync costs it. From version 18 on a key may be NOT
-- ENFORCED: drivers, pg_dump and TRUNCATE see it as before, and the triggers below enforce it in its place, with the
-- same locks and the same errors. Before 18 keys stay as they are.

-- Arguments: the column of the key, the table of the parents. Each parent is held until the transaction ends, so that
-- nobody removes it meanwhile.
CREATE FUNCTION syncd.hold_parents() RETURNS trigger LANGUAGE plpgsql SET enable_seqscan = off AS $$
DECLARE
    named bigint[];
    held bigint[];
    missing bigint;
BEGIN
    IF TG_LEVEL = 'STATEMENT' THEN
        EXECUTE format('SELECT array_agg(DISTINCT %I) FROM fresh WHERE %1$I IS NOT NULL', TG_ARGV[0]) INTO named;
    ELSE
        EXECUTE format('SELECT ARRAY[$1.%I]', TG_ARGV[0]) INTO named USING NEW;
    END IF;
    EXECUTE format('SELECT ARRAY(SELECT id FROM toggl.%I WHERE id = ANY ($1) FOR KEY SHARE)', TG_ARGV[1]) INTO held USING named;
    IF cardinality(held) < cardinality(named) THEN
        SELECT min(id) INTO missing FROM unnest(named) AS id WHERE id <> ALL (held);
        RAISE foreign_key_violation USING
            MESSAGE = format('insert or update on table "%s" violates foreign key constraint "%1$s_%s_fkey"', TG_TABLE_NAME, TG_ARGV[0]),
            DETAIL = format('Key (%s)=(%s) is not present in table "%s".', TG_ARGV[0], missing, TG_ARGV[1]),
            SCHEMA = TG_TABLE_SCHEMA, TABLE = TG_TABLE_NAME, CONSTRAINT = format('%s_%s_fkey', TG_TABLE_NAME, TG_ARGV[0]);
    END IF;
    RETURN NULL;
END $$;
COMMENT ON FUNCTION syncd.hold_parents IS 'Enforces a foreign key: the parents that new rows name must be there, and are held.';

-- syncd removes no row. Who removes one by hand is refused while a child is there. A snapshot as old as the transaction
-- would not show a child that came since.
CREATE FUNCTION syncd.keep_parent() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    key record;
    is_named boolean;
BEGIN
    IF current_setting('transaction_isolation') NOT IN ('read committed', 'read uncommitted') THEN
        RAISE serialization_failure USING
            MESSAGE = format('rows of table "%s" are removed or renumbered at isolation level read committed only', TG_TABLE_NAME);
    END IF;
    FOR key IN
        SELECT k.conname AS name, c.relname AS child, a.attname AS child_column
        FROM pg_catalog.pg_constraint k JOIN pg_catalog.pg_class c ON c.oid = k.conrelid
        JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid AND a.attnum = k.conkey[1]
        WHERE k.contype = 'f' AND k.confrelid = TG_RELID
    LOOP
        EXECUTE format('SELECT EXISTS (SELECT FROM toggl.%I WHERE %I = $1)', key.child, key.child_column) INTO is_named USING OLD.id;
        IF is_named THEN
            RAISE foreign_key_violation USING
                MESSAGE = format('update or delete on table "%s" violates foreign key constraint "%s" on table "%s"', TG_TABLE_NAME, key.name, key.child),
                DETAIL = format('Key (id)=(%s) is still referenced from table "%s".', OLD.id, key.child),
                SCHEMA = TG_TABLE_SCHEMA, TABLE = key.child, CONSTRAINT = key.name;
        END IF;
    END LOOP;
    RETURN NULL;
END $$;
COMMENT ON FUNCTION syncd.keep_parent IS 'Enforces the foreign keys to a table from its side: a row that another one names stays.';

DO $keys$
DECLARE
    key record;
BEGIN
    IF current_setting('server_version_num')::integer < 180000 THEN
        RETURN;
    END IF;
    FOR key IN SELECT * FROM (VALUES
        ('clients', 'workspace_id', 'workspaces'),
        ('projects', 'workspace_id', 'workspaces'),
        ('projects', 'client_id', 'clients'),
        ('tags', 'workspace_id', 'workspaces')
    ) AS k (child, child_column, parent) LOOP
        EXECUTE format('ALTER TABLE toggl.%I ALTER CONSTRAINT %1$s_%s_fkey NOT ENFORCED', key.child, key.child_column);
        EXECUTE format('CREATE TRIGGER hold_%s_of_new AFTER INSERT ON toggl.%I REFERENCING NEW TABLE AS fresh'
                       ' FOR EACH STATEMENT EXECUTE FUNCTION syncd.hold_parents(%L, %1$L)', key.parent, key.child, key.child_column);
        EXECUTE format('CREATE TRIGGER hold_%s_of_changed AFTER UPDATE ON toggl.%I FOR EACH ROW'
                       ' WHEN (NEW.%I IS NOT NULL AND NEW.%3$I IS DISTINCT FROM OLD.%3$I)'
                       ' EXECUTE FUNCTION syncd.hold_parents(%3$L, %1$L)', key.parent, key.child, key.child_column);
    END LOOP;
    CREATE TRIGGER keep_parent AFTER DELETE OR UPDATE OF id ON toggl.workspaces FOR EACH ROW EXECUTE FUNCTION syncd.keep_parent();
    CREATE TRIGGER keep_parent AFTER DELETE OR UPDATE OF id ON toggl.clients FOR EACH ROW EXECUTE FUNCTION syncd.keep_parent();
END
$keys$;

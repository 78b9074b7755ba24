-- name: server_version
SELECT current_setting('server_version_num')::integer;

-- name: migrations_exist
SELECT to_regclass('syncd.migrations') IS NOT NULL;

-- name: create_migrations
CREATE SCHEMA IF NOT EXISTS syncd;
CREATE TABLE IF NOT EXISTS syncd.migrations (
    version    integer     PRIMARY KEY,
    name       text        NOT NULL,
    checksum   text        NOT NULL,
    applied_at timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE syncd.migrations IS 'The migrations that this database went through, with the checksum of each file.';

-- name: applied_migrations
SELECT version, name, checksum FROM syncd.migrations ORDER BY version;

-- name: try_migration_lock
-- Polled, never waited for: a waiter's open snapshot would stand in the way of what the holder builds.
SELECT pg_try_advisory_xact_lock(hashtextextended('syncd.migrations', 0));

-- name: owner_to_act_as
-- The owner of the schemas, if it is another role that we may act as: what a migration makes must be its.
SELECT pg_get_userbyid(nspowner) FROM pg_namespace
WHERE nspname = 'syncd' AND nspowner <> current_user::regrole AND pg_has_role(current_user, nspowner, 'MEMBER');

-- name: act_as
-- For the rest of the transaction.
SELECT set_config('role', $1, true);

-- name: bound_lock_wait
-- A migration that waits for a table makes every reader behind it wait: give up soon, try again.
SET LOCAL lock_timeout = '2s';

-- name: blockers
-- Who else holds tables of this database's users, at most three, longest first. Of other users' sessions the server
-- tells an ordinary role no more than this.
SELECT format('process %s of role %s%s', a.pid, coalesce(a.usename, '?'),
              CASE WHEN a.application_name <> '' THEN ', ' || a.application_name ELSE '' END) AS who
FROM pg_stat_activity a
WHERE a.pid <> pg_backend_pid() AND EXISTS (
    SELECT 1 FROM pg_locks l JOIN pg_class c ON c.oid = l.relation
    WHERE l.pid = a.pid AND l.granted AND c.relkind = 'r' AND c.oid >= 16384
      AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database()))
ORDER BY a.xact_start, a.backend_start LIMIT 3;

-- name: record_migration
INSERT INTO syncd.migrations (version, name, checksum) VALUES ($1, $2, $3);

-- name: versions
SELECT (SELECT max(version) FROM syncd.migrations) AS schema, current_setting('server_version') AS server;

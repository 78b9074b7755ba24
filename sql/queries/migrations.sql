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
-- The owner of the schemas, if it is another role that we may act as: what a migration makes must be its. From PostgreSQL
-- 16 on a member may be one that may not.
SELECT pg_get_userbyid(nspowner) FROM pg_namespace
WHERE nspname = 'syncd' AND nspowner <> current_user::regrole AND pg_has_role(current_user, nspowner, CASE
    WHEN current_setting('server_version_num')::integer < 160000 THEN 'MEMBER' ELSE 'SET' END);

-- name: act_as
-- For the rest of the transaction.
SELECT set_config('role', $1, true);

-- name: wait_for_relations
-- A migration that waits for a relation makes every reader behind it wait: it does so for half a second, then it gives up
-- and tries again. Whoever reads what an earlier statement has locked waits no longer, for that time is one for all. It
-- ends well before the server looks for deadlocks: a report that has one relation and asks for another, while a migration
-- has the other and asks for the one, would be what it cancels.
SELECT set_config('syncd.waits_until', (extract(epoch FROM clock_timestamp()) + least(0.5, setting::numeric / 2000))::text, true)
FROM pg_settings WHERE name = 'deadlock_timeout';

-- name: wait_no_longer
-- What is left of that time.
SELECT set_config('lock_timeout', greatest(1, ceil(1000 * (
    current_setting('syncd.waits_until')::numeric - extract(epoch FROM clock_timestamp())))) || 'ms', true);

-- name: blockers
-- Who else holds relations of ours, at most three, longest first. Since when, the server tells members of the role only.
SELECT concat_ws(', ', format('process %s of role %s', a.pid, coalesce(a.usename, '?')),
                 'for ' || floor(extract(epoch FROM clock_timestamp() - a.xact_start)) || ' s',
                 nullif(a.application_name, '')) AS who
FROM pg_stat_activity a
WHERE a.pid <> pg_backend_pid() AND EXISTS (
    SELECT 1 FROM pg_locks l JOIN pg_class c ON c.oid = l.relation JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE l.pid = a.pid AND l.granted AND c.relkind IN ('r', 'v') AND n.nspname IN ('toggl', 'syncd')
      AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database()))
ORDER BY a.xact_start, a.backend_start LIMIT 3;

-- name: record_migration
INSERT INTO syncd.migrations (version, name, checksum) VALUES ($1, $2, $3);

-- name: versions
SELECT (SELECT max(version) FROM syncd.migrations) AS schema, current_setting('server_version') AS server;

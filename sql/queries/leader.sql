-- name: try_leader_lock
-- One active daemon per database. The lock lives as long as the session that holds it, so a dead daemon frees it.
SELECT pg_try_advisory_lock(hashtextextended('syncd.leader', 0));

-- name: prove_leader
-- The session still lives, and so does its lock.
SELECT EXISTS (SELECT 1 FROM pg_locks
               WHERE locktype = 'advisory' AND pid = pg_backend_pid() AND granted AND objsubid = 1
                 AND ((classid::bigint << 32) | objid::bigint) = hashtextextended('syncd.leader', 0));

-- What is asked of pgqueuer's table beyond its own statements (release 1.6: columns and states are its own).

-- name: is_queue_volatile
-- Whether the jobs are lost when the server crashes.
SELECT relpersistence = 'u' FROM pg_class WHERE oid = 'syncd_queue.pgqueuer'::regclass;

-- name: queue_tokens
-- At most $1 tokens whose turn has come and that have no job yet, most overdue first; see due_tokens.
SELECT name, failures > 0 AS is_suspect FROM syncd.tokens t
WHERE syncd.is_due(t)
  AND NOT EXISTS (SELECT FROM syncd_queue.pgqueuer j WHERE j.dedupe_key = name AND j.status IN ('queued', 'picked'))
ORDER BY greatest(next_due_at, last_attempt_at) LIMIT $1;

-- name: still_due
-- Of the tokens $1, those whose turn it still is: their job may have been made while the last pull was about to end.
SELECT name FROM syncd.tokens t WHERE name = ANY ($1) AND syncd.is_due(t);

-- name: own_jobs
-- Of the jobs $1, those that replica $2 still has.
SELECT id FROM syncd_queue.pgqueuer WHERE id = ANY ($1) AND queue_manager_id = $2 AND status = 'picked';

-- name: grant_queue
-- The writer works with the queue; it makes no tables.
DO $$ BEGIN
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'syncd_writer') THEN
        GRANT USAGE ON SCHEMA syncd_queue TO syncd_writer;
        GRANT SELECT, INSERT, UPDATE, DELETE, TRUNCATE ON ALL TABLES IN SCHEMA syncd_queue TO syncd_writer;
        GRANT USAGE ON ALL SEQUENCES IN SCHEMA syncd_queue TO syncd_writer;
    END IF;
END $$;

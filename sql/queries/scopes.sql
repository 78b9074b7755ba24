-- name: lock_workspace
-- One writer per workspace at a time, until the transaction ends; readers are never blocked.
SELECT pg_advisory_xact_lock(hashtextextended('syncd.workspace ' || $1::bigint::text, 0));

-- name: open_pull
-- Make the row that `_pull_id` points at; $1 pull, $2 token, $3 began_at.
INSERT INTO syncd.pulls (id, token, began_at) VALUES ($1, $2, $3) ON CONFLICT (id) DO NOTHING;

-- name: close_pull
-- $1 pull, $2 result, $3 counts.
UPDATE syncd.pulls SET finished_at = now(), result = $2, counts = $3 WHERE id = $1;

-- name: upsert_workspace
-- $1 id, $2 name (NULL = we only know its id: a stub, which never overwrites a name), $3 began_at, $4 pull.
INSERT INTO toggl.workspaces AS w (id, name, _first_seen_at, _valid_from, _synced_at, _pull_id, _is_stub)
VALUES ($1, $2, $3, $3, $3, $4, $2::text IS NULL)
ON CONFLICT (id) DO UPDATE
SET name = excluded.name, _valid_from = $3, _synced_at = $3, _pull_id = $4, _is_stub = false
WHERE excluded.name IS NOT NULL AND w.name IS DISTINCT FROM excluded.name;

-- name: read_scope
-- What token $1 last saw of resource $3 in workspace $2.
SELECT strategy, ids, absent_ids FROM syncd.scopes WHERE token = $1 AND workspace_id = $2 AND resource = $3;

-- name: write_scope
-- $1 token, $2 workspace, $3 resource, $4 strategy, $5 ids, $6 absent_ids, $7 incomplete, $8 began_at, $9 pull.
-- Equal ids keep their old datum, so that a long array stays where it is stored.
INSERT INTO syncd.scopes AS s (token, workspace_id, resource, strategy, ids, absent_ids, absent_since, incomplete,
                               seen_at, complete_at, pull_id)
VALUES ($1, $2, $3, $4, $5, $6::bigint[], CASE WHEN cardinality($6) > 0 THEN $8::timestamptz END, $7::text[],
        $8, CASE WHEN cardinality($7) = 0 THEN $8 END, $9)
ON CONFLICT (token, workspace_id, resource) DO UPDATE
SET strategy = $4, ids = CASE WHEN s.ids = $5 THEN s.ids ELSE $5 END, absent_ids = $6, incomplete = $7, seen_at = $8, pull_id = $9,
    absent_since = CASE WHEN cardinality($6) > 0 THEN coalesce(s.absent_since, $8) END,
    complete_at = CASE WHEN cardinality($7) = 0 THEN $8 ELSE s.complete_at END;

-- name: quarantine_records
-- $1 token, $2 began_at, $3 pull; the rest are columns of one row per record. Returns those that were not there before.
WITH put_aside AS (
INSERT INTO syncd.quarantine AS q (token, resource, record_key, workspace_id, reason, detail, body,
                                   first_seen_at, last_seen_at, pull_id)
SELECT $1, r.resource, r.record_key, r.workspace_id, r.reason, r.detail, r.body, $2, $2, $3
FROM unnest($4::text[], $5::text[], $6::bigint[], $7::text[], $8::text[], $9::text[])
     AS r (resource, record_key, workspace_id, reason, detail, body)
ON CONFLICT (token, resource, record_key) DO UPDATE
SET workspace_id = excluded.workspace_id, reason = excluded.reason, detail = excluded.detail, body = excluded.body,
    first_seen_at = CASE WHEN q.released_at IS NULL THEN q.first_seen_at ELSE excluded.first_seen_at END,
    last_seen_at = excluded.last_seen_at, released_at = NULL, pull_id = excluded.pull_id
RETURNING resource, record_key, reason, first_seen_at = last_seen_at AS is_new
)
SELECT resource, record_key, reason FROM put_aside WHERE is_new;

-- name: release_records
-- Release what token $1 has in quarantine and no longer sends malformed: all but ($3 resources, $4 record keys); $2 began_at.
UPDATE syncd.quarantine q SET released_at = $2
WHERE q.token = $1 AND q.released_at IS NULL
  AND NOT EXISTS (SELECT 1 FROM unnest($3::text[], $4::text[]) AS k (resource, record_key)
                  WHERE k.resource = q.resource AND k.record_key = q.record_key)
RETURNING resource, record_key;

-- name: lock_workspace
-- One writer per workspace at a time, until the transaction ends; readers are never blocked. All that it does goes by
-- keys: foreign keys to a small table, which workspaces are, would else be checked by reading all of it for every row.
SELECT pg_advisory_xact_lock(hashtextextended('syncd.workspace ' || $1::bigint::text, 0)),
       set_config('random_page_cost', '0.1', true);

-- name: open_pull
-- Make the row that `_pull_id` points at; $1 pull, $2 token, $3 began_at.
INSERT INTO syncd.pulls (id, token, began_at) VALUES ($1, $2, $3) ON CONFLICT (id) DO NOTHING;

-- name: close_pull
-- $1 pull, $2 result, $3 counts.
UPDATE syncd.pulls SET finished_at = now(), result = $2, counts = $3 WHERE id = $1;

-- name: tell_inserts
-- Tell which new rows a COPY wrote: $1 pull, $2 workspace, $3 relation, $4 began_at, $5 ids.
INSERT INTO syncd.changes (pull_id, workspace_id, relation, change_kind, at, ids)
VALUES ($1, $2, $3, 'insert', $4, $5::text::bigint[]);

-- name: upsert_workspace
-- $1 id, $2 name (NULL = we only know its id: a stub, which never overwrites a name), $3 began_at, $4 pull.
INSERT INTO toggl.workspaces AS w (id, name, _first_seen_at, _valid_from, _synced_at, _pull_id, _is_stub)
VALUES ($1, $2, $3, $3, $3, $4, $2::text IS NULL)
ON CONFLICT (id) DO UPDATE
SET name = excluded.name, _valid_from = $3, _synced_at = $3, _pull_id = $4, _is_stub = false
WHERE excluded.name IS NOT NULL AND w.name IS DISTINCT FROM excluded.name;

-- name: read_scope
-- What token $1 last saw of resource $3 in workspace $2.
SELECT is_admin, strategy, ids, absent, regressions, held_hash, seen_at, cursor FROM syncd.scopes
WHERE token = $1 AND workspace_id = $2 AND resource = $3;

-- name: read_viewers
-- The other tokens that see resource $3 of workspace $2 and can be trusted to: not removed, not rejected, access kept,
-- and not standing by.
-- `seen_at`: when its last look at all of it began; an unchanged pull is such a look too, unless it asked for changes
-- of projects only.
SELECT s.token, s.is_admin, t.rank, s.ids, s.absent,
       CASE WHEN cardinality(s.incomplete) = 0
            THEN greatest(CASE s.resource WHEN 'project' THEN t.last_walk_at ELSE t.last_success_at END, s.complete_at)
            ELSE s.complete_at END AS seen_at
FROM syncd.scopes s JOIN syncd.tokens t ON t.name = s.token
WHERE s.workspace_id = $2 AND s.resource = $3 AND s.token <> $1
  AND t.enabled AND t.status <> 'rejected' AND s.lost_at IS NULL AND s.standby_at IS NULL;

-- name: write_scope
-- $1 token, $2 workspace, $3 resource, $4 is_admin, $5 strategy, $6 ids, $7 absent, $8 regressions, $9 incomplete,
-- $10 held ids (NULL: none), $11 hash, $12 reason, $13 live rows, $14 began_at, $15 pull, $16 cursor, $17 compare_no
-- when the pull began, $18: only changes were looked at, which says nothing about completeness.
-- Equal ids keep their old datum, so that a long array stays where it is stored. Rows and scopes run ahead of the digest
-- now: until the pull is finished it stands for nothing, for a pull that ends here must not have it trusted.
WITH forgotten AS (
    UPDATE syncd.tokens SET digest = NULL WHERE name = $1 AND digest IS NOT NULL
)
INSERT INTO syncd.scopes AS s (token, workspace_id, resource, is_admin, strategy, ids, absent, regressions, incomplete,
                               held_ids, held_hash, held_reason, held_live, held_since, seen_at, complete_at, pull_id,
                               cursor, cursor_no)
VALUES ($1, $2, $3, $4, $5, $6::text::bigint[], $7, $8, $9::text[], $10::bigint[], $11::text, $12, $13,
        CASE WHEN $11 IS NOT NULL THEN $14::timestamptz END, $14, CASE WHEN cardinality($9) = 0 AND NOT $18 THEN $14 END,
        $15, $16::timestamptz, $17)
ON CONFLICT (token, workspace_id, resource) DO UPDATE
SET is_admin = $4, strategy = $5, ids = CASE WHEN s.ids = excluded.ids THEN s.ids ELSE excluded.ids END,
    absent = $7, regressions = $8, incomplete = CASE WHEN $18 AND cardinality($9) = 0 THEN s.incomplete ELSE $9 END,
    held_ids = $10, held_hash = $11, held_reason = $12, held_live = $13,
    held_since = CASE WHEN $11 = s.held_hash THEN s.held_since WHEN $11 IS NOT NULL THEN $14 END,
    seen_at = $14, complete_at = CASE WHEN cardinality($9) = 0 AND NOT $18 THEN $14 ELSE s.complete_at END,
    lost_at = NULL, standby_at = NULL, pull_id = $15, cursor = $16, cursor_no = $17;

-- name: known_clients
-- Of the clients that token $1 saw last in workspace $2: whether they were archived, NULL where nobody said.
SELECT c.id, c.archived FROM syncd.scopes s JOIN toggl.clients c ON c.id = ANY (s.ids)
WHERE s.token = $1 AND s.workspace_id = $2 AND s.resource = 'client';

-- name: is_lost_scope
SELECT EXISTS (SELECT FROM syncd.scopes WHERE token = $1 AND workspace_id = $2 AND lost_at IS NOT NULL);

-- name: see_written
-- By a write of its own token $1 knows that resource $3 of workspace $2 shows $4 and misses $5. It has not looked at the
-- rest: when it last did stays. The digest does not stand for rows that came without it. $6: the write moved more rows
-- than their `at` tells, so that the next pull lists everything.
WITH forgotten AS (
    UPDATE syncd.tokens SET digest = NULL WHERE name = $1 AND digest IS NOT NULL
)
UPDATE syncd.scopes SET ids = CASE WHEN ids = $4 THEN ids ELSE $4 END, absent = $5,
    cursor = CASE WHEN NOT $6 THEN cursor END
WHERE token = $1 AND workspace_id = $2 AND resource = $3;

-- name: lose_scopes
-- Token $1 no longer sees workspaces other than $2: freeze what it saw there ($3 began_at). Returns the lost ones.
WITH lost AS (
    UPDATE syncd.scopes SET lost_at = $3, cursor = NULL, held_ids = NULL, held_hash = NULL, held_reason = NULL, held_live = NULL,
           held_since = NULL
    WHERE token = $1 AND workspace_id <> ALL ($2::bigint[]) AND lost_at IS NULL
    RETURNING workspace_id
)
SELECT DISTINCT workspace_id FROM lost;

-- name: read_decisions
-- What people decided about held-back deletions of token $1 in workspace $2, as far as it may still be acted on.
SELECT hash, decision FROM syncd.decisions WHERE token = $1 AND workspace_id = $2 AND expires_at > now();

-- name: decide
-- $2 approve or reject, for the held-back sets $1 (NULL: all); the decision expires after $3. Returns what it is about.
INSERT INTO syncd.decisions AS d (token, workspace_id, resource, hash, decision, expires_at)
SELECT s.token, s.workspace_id, s.resource, s.held_hash, $2, now() + $3::interval
FROM syncd.scopes s WHERE s.held_hash IS NOT NULL AND ($1::text[] IS NULL OR s.held_hash = ANY ($1))
ON CONFLICT (token, workspace_id, resource, hash) DO UPDATE
SET decision = excluded.decision, decided_at = now(), expires_at = excluded.expires_at
RETURNING hash, token, workspace_id, resource;

-- name: held_deletes
-- Deletions that wait for a person.
SELECT held_hash AS hash, token, workspace_id, resource, held_ids AS ids, held_live AS live, held_reason AS reason,
       held_since AS since
FROM syncd.scopes WHERE held_ids IS NOT NULL ORDER BY held_since, token, workspace_id, resource;

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

-- name: list_quarantine
-- What is in quarantine now, of the tokens $1 (NULL: of all).
SELECT token, resource, record_key AS key, workspace_id, reason, detail, first_seen_at, last_seen_at, body
FROM syncd.quarantine WHERE released_at IS NULL AND ($1::text[] IS NULL OR token = ANY ($1))
ORDER BY token, resource, record_key;

-- name: held_elsewhere
-- What tokens other than $2 saw last in workspace $1.
SELECT resource, ids FROM syncd.scopes WHERE workspace_id = $1 AND token <> ALL ($2::text[]);

-- name: read_fingerprints
SELECT name, fingerprint FROM syncd.tokens WHERE name = ANY ($1);

-- name: register_tokens
-- Make syncd.tokens agree with the configuration: $1 names, $2 ranks, $3 intervals, $4 fingerprints, $5 the resources that
-- all of them mirror. Tokens not named are disabled. A rejected token is tried again at once: whoever restarts the program
-- has probably replaced it. Returns of every token that is another now whether its weight against others changed, whether
-- another account is behind it, and whether it mirrors other resources.
WITH configured AS (
    SELECT c.*, $5::text[] AS resources
    FROM unnest($1::text[], $2::integer[], $3::interval[], $4::text[]) AS c (name, rank, pull_interval, fingerprint)
), before AS (
    SELECT name, rank, enabled, fingerprint, resources FROM syncd.tokens
), disabled AS (
    UPDATE syncd.tokens t SET enabled = false, status_since = now()
    WHERE t.enabled AND NOT EXISTS (SELECT 1 FROM configured c WHERE c.name = t.name)
    RETURNING t.name
), written AS (
    INSERT INTO syncd.tokens AS t (name, rank, pull_interval, fingerprint, resources)
    SELECT name, rank, pull_interval, fingerprint, resources FROM configured
    ON CONFLICT (name) DO UPDATE
    SET rank = excluded.rank, pull_interval = excluded.pull_interval, enabled = true, fingerprint = excluded.fingerprint,
        resources = excluded.resources,
        status_since = CASE WHEN t.enabled THEN t.status_since ELSE now() END,
        next_due_at = CASE WHEN t.status = 'rejected' THEN now()
                           ELSE least(t.next_due_at, now() + excluded.pull_interval) END,
        not_before = CASE WHEN t.status = 'rejected' THEN NULL ELSE t.not_before END,
        user_id = CASE WHEN t.fingerprint = excluded.fingerprint THEN t.user_id END,
        full_cost = CASE WHEN (t.fingerprint, t.resources) = (excluded.fingerprint, excluded.resources) THEN t.full_cost END,
        usual_cost = CASE WHEN (t.fingerprint, t.resources) = (excluded.fingerprint, excluded.resources) THEN t.usual_cost END,
        quota_interval = CASE WHEN (t.fingerprint, t.resources) = (excluded.fingerprint, excluded.resources) THEN t.quota_interval END,
        quota_action = CASE WHEN (t.fingerprint, t.resources) = (excluded.fingerprint, excluded.resources) THEN t.quota_action END
    WHERE (t.rank, t.pull_interval, t.enabled, t.fingerprint, t.resources)
              IS DISTINCT FROM (excluded.rank, excluded.pull_interval, true, excluded.fingerprint, excluded.resources)
       OR t.status = 'rejected'
    RETURNING t.name, t.rank, t.fingerprint, t.resources
)
SELECT name, true AS weight_changed, false AS is_another, false AS mirrors_others FROM disabled
UNION ALL
SELECT w.name, (b.rank, b.enabled) IS DISTINCT FROM (w.rank, true), b.fingerprint <> w.fingerprint, b.resources <> w.resources
FROM written w JOIN before b USING (name);

-- name: let_go_held
-- Of the tokens $1, what the guard held back of resources that they mirror no longer is nobody's to decide about.
UPDATE syncd.scopes s SET held_ids = NULL, held_hash = NULL, held_reason = NULL, held_live = NULL, held_since = NULL
FROM syncd.tokens t
WHERE t.name = s.token AND s.token = ANY ($1::text[]) AND s.resource <> ALL (t.resources) AND s.held_ids IS NOT NULL;

-- name: rebase_scopes
-- Another account is behind the names $1 now: what the old one saw is nothing that the new one could miss.
UPDATE syncd.scopes SET strategy = '', absent = '[]', regressions = '{}', held_ids = NULL, held_hash = NULL,
       held_reason = NULL, held_live = NULL, held_since = NULL
WHERE token = ANY ($1);

-- name: fence_tokens
-- What pulls of the tokens $1 have at work now counts no more; the next ones are due at once.
UPDATE syncd.tokens SET pull_id = nextval('syncd.pull_ids'), running_until = NULL, next_due_at = now()
WHERE name = ANY ($1);

-- name: compare_sharers
-- The next pull of every token that shares a workspace with one of $1 compares everything, for a row's owner may have
-- changed. Returns how many rows the tokens $1 share with others.
WITH sharers AS (
    UPDATE syncd.tokens SET digest = NULL, compare_no = compare_no + 1
    WHERE name IN (
        SELECT other.token FROM syncd.scopes mine JOIN syncd.scopes other USING (workspace_id, resource)
        WHERE mine.token = ANY ($1))
)
SELECT mine.token, mine.workspace_id, mine.resource, other.token AS heir, cardinality(mine.ids) AS rows
FROM syncd.scopes mine JOIN syncd.scopes other USING (workspace_id, resource)
WHERE mine.token = ANY ($1) AND other.token <> ALL ($1);

-- name: begin_pull
-- Raise the fence of token $1 for at most $2 (interval) and tell what the pull needs to know.
-- `strategies`: workspace id -> strategy of its project scope, where it is not the workspace listing. `workspace_ids`:
-- those of the last finished pull, and those of which a pull that was not finished has left a scope. `cursors`:
-- workspace id -> from when on its projects may be asked for by what changed; the source knows no changes older than
-- three months, and somebody's clock may be wrong.
-- `rejected_s`: for how long the API has been refusing the token, 0 if it does not.
-- `rested_s`: for how long no pull has sent a request, 0 if the last one did not end, NULL if there was none.
UPDATE syncd.tokens t
SET pull_id = nextval('syncd.pull_ids'), last_attempt_at = clock_timestamp(), running_until = now() + $2
FROM (SELECT name, running_until IS NOT NULL AS is_open FROM syncd.tokens WHERE name = $1 FOR NO KEY UPDATE) before
WHERE t.name = before.name
RETURNING CASE WHEN before.is_open THEN 0 ELSE extract(epoch FROM clock_timestamp() - t.quiet_since)::float8 END AS rested_s,
    t.pull_id, t.last_attempt_at AS began_at, t.digest, t.last_success_at, t.row_count, t.failures,
    t.status = 'rejected' AS is_rejected, t.rank, t.compare_no,
    CASE WHEN t.status = 'rejected' THEN extract(epoch FROM now() - t.status_since)::float8 ELSE 0 END AS rejected_s,
    (SELECT to_jsonb(coalesce(array_agg(DISTINCT seen.id), t.workspace_ids))
     FROM (SELECT unnest(t.workspace_ids) AS id UNION ALL
           SELECT s.workspace_id FROM syncd.scopes s WHERE s.token = t.name AND s.lost_at IS NULL) seen) AS workspace_ids,
    coalesce(t.last_full_at <= now() - $3::interval, true) AS full_due,
    (SELECT jsonb_object_agg(s.workspace_id, s.strategy) FROM syncd.scopes s
     WHERE s.token = t.name AND s.resource = 'project' AND s.strategy = 'client') AS strategies,
    (SELECT jsonb_object_agg(s.workspace_id, jsonb_build_object('since', s.cursor, 'is_admin', s.is_admin))
     FROM syncd.scopes s
     WHERE s.token = t.name AND s.resource = 'project' AND s.cursor > now() - interval '60 days'
       AND s.cursor_no = t.compare_no AND s.lost_at IS NULL) AS cursors;

-- name: begin_write
-- Token $1 wrote, and the source has answered: raise its fence. A pull that is at work may have been told what was
-- before; it is due again at once.
UPDATE syncd.tokens t
SET pull_id = nextval('syncd.pull_ids'), running_until = NULL, quiet_since = clock_timestamp(),
    next_due_at = CASE WHEN running_until > now() THEN now() ELSE next_due_at END
WHERE name = $1 AND enabled AND status <> 'rejected'
RETURNING pull_id, clock_timestamp() AS began_at, rank;

-- name: held_tokens
-- Of the tokens $1, those that may not send a request yet, with the seconds to wait. A rejected one may: its pulls wait,
-- for they would be refused again, but nobody asked us to, and a person wants to hear of the rejection.
SELECT name, extract(epoch FROM not_before - now())::float8 AS wait_s
FROM syncd.tokens WHERE name = ANY ($1) AND not_before > now() AND status <> 'rejected';

-- name: due_tokens
-- Tokens whose turn has come, most overdue first, none of $1 (those in work here): at most $2 that did well last time,
-- and at most $3 that did not, or are among $4. One whose pull was given up waits since that began, not since it was
-- due: else it would come before all others again and again.
WITH due AS (
    SELECT name, greatest(next_due_at, last_attempt_at) AS since, failures > 0 OR name = ANY ($4) AS is_suspect
    FROM syncd.tokens t WHERE syncd.is_due(t) AND name <> ALL ($1)
)
(SELECT name, is_suspect FROM due WHERE NOT is_suspect ORDER BY since LIMIT $2)
UNION ALL
(SELECT name, is_suspect FROM due WHERE is_suspect ORDER BY since LIMIT $3);

-- name: hold_fence
-- Lock the row of token $1 and check that pull $2 still owns it; no row = a later pull began.
SELECT 1 FROM syncd.tokens WHERE name = $1 AND pull_id = $2 FOR NO KEY UPDATE;

-- name: finish_unchanged
-- Pull $2 of token $1 found the same answers as the last one; $3 requests were spent, $4 is left of the quota; $5: it
-- listed everything.
-- The next pull is due at the first instant of the token's own grid that lies ahead, so phases never bunch.
UPDATE syncd.tokens
SET last_success_at = last_attempt_at, last_walk_at = CASE WHEN $5 THEN last_attempt_at ELSE last_walk_at END,
    running_until = NULL, quiet_since = clock_timestamp(), failures = 0, last_error = NULL, action_required = NULL,
    not_before = CASE WHEN not_before > now() THEN not_before END, request_count = $3, quota_remaining = $4,
    next_due_at = syncd.next_due(name, greatest(pull_interval, quota_interval), next_due_at),
    status_since = CASE WHEN status = 'ok' THEN status_since ELSE now() END, status = 'ok'
WHERE name = $1 AND pull_id = $2
RETURNING next_due_at;

-- name: finish_changed
-- Pull $2 of token $1 compared and applied everything; $3 requests, $4 quota left, $5 digest (NULL: compare again next
-- time), $6 rows that it sees, $7 the workspaces it saw, $8 compare_no when it began: if that moved on, somebody asked
-- meanwhile for one more comparison; $9: it listed everything. Commits after the rows it speaks for, so the digest
-- never runs ahead of them.
UPDATE syncd.tokens
SET last_success_at = last_attempt_at, digest = CASE WHEN compare_no = $8 THEN $5::bytea END, row_count = $6,
    last_full_at = CASE WHEN $9 THEN last_attempt_at ELSE last_full_at END,
    last_walk_at = CASE WHEN $9 THEN last_attempt_at ELSE last_walk_at END, workspace_ids = $7,
    running_until = NULL, quiet_since = clock_timestamp(), failures = 0, last_error = NULL, action_required = NULL,
    not_before = CASE WHEN not_before > now() THEN not_before END,
    request_count = $3, quota_remaining = $4,
    next_due_at = syncd.next_due(name, greatest(pull_interval, quota_interval), next_due_at),
    status_since = CASE WHEN status = 'ok' THEN status_since ELSE now() END, status = 'ok'
WHERE name = $1 AND pull_id = $2
RETURNING next_due_at;

-- name: finish_failed
-- Pull $2 of token $1 failed: $3 status, $4 error, $5 what a person should do (or NULL), $6 no request before this
-- many seconds from now (or NULL). Rows stay as they are. A rejected token owns no row, so when it recovers it compares;
-- it stays rejected until it succeeds, whatever else befalls it.
UPDATE syncd.tokens
SET digest = CASE WHEN $3 = 'rejected' THEN NULL ELSE digest END,
    compare_no = compare_no + CASE WHEN $3 = 'rejected' THEN 1 ELSE 0 END, running_until = NULL, quiet_since = clock_timestamp(),
    failures = failures + 1, last_error = $4, action_required = CASE WHEN status = 'rejected' AND $5::text IS NULL THEN action_required ELSE $5::text END,
    not_before = greatest(CASE WHEN not_before > now() THEN not_before END, now() + make_interval(secs => $6::float8)),
    next_due_at = syncd.next_due(name, greatest(pull_interval, quota_interval), next_due_at),
    status_since = CASE WHEN status IN ($3, 'rejected') THEN status_since ELSE now() END,
    status = CASE WHEN status = 'rejected' THEN status ELSE $3 END
WHERE name = $1 AND pull_id = $2
RETURNING next_due_at;

-- name: hold_token
-- The source asked token $1 to be silent for $2 seconds from now.
UPDATE syncd.tokens SET not_before = greatest(not_before, now() + make_interval(secs => $2::float8)) WHERE name = $1;

-- name: abandon_pull
-- Pull $2 of token $1 was interrupted (shutdown): due again at once, nothing held against it.
UPDATE syncd.tokens SET running_until = NULL, quiet_since = clock_timestamp(), next_due_at = now()
WHERE name = $1 AND pull_id = $2;

-- name: sync_status
-- What toggl.sync_status says, in rank order.
SELECT s.* FROM toggl.sync_status s JOIN syncd.tokens t ON t.name = s.token ORDER BY NOT t.enabled, t.rank, t.name;

-- name: health
-- Counts by status, and the stalest enabled token.
SELECT coalesce(jsonb_object_agg(status, tokens), '{}') AS by_status,
       (SELECT jsonb_build_object('token', token, 'staleness_seconds', staleness_seconds)
        FROM toggl.sync_status WHERE status <> 'disabled' ORDER BY staleness_seconds DESC NULLS FIRST LIMIT 1) AS worst,
       (SELECT count(*) FROM syncd.quarantine WHERE released_at IS NULL) AS quarantined
FROM (SELECT status, count(*) AS tokens FROM toggl.sync_status GROUP BY status) s;

-- name: turns
-- How every enabled token does: seconds since its last success; the bound, three intervals, of those that the quota
-- allows, but no less than we look; and why it was not pulled though its turn came, and was not just a moment ago.
SELECT name AS token, extract(epoch FROM now() - last_success_at)::float8 AS staleness_s,
       greatest(60, 3 * extract(epoch FROM greatest(pull_interval, quota_interval)))::float8 AS bound_s,
       CASE WHEN next_due_at > now() THEN NULL
            WHEN running_until > now() THEN CASE WHEN next_due_at + pull_interval <= now() THEN 'running' END
            WHEN not_before > now() THEN CASE status WHEN 'rejected' THEN 'rejected' ELSE 'rate_limited' END
            END AS skipped,
       CASE WHEN not_before > now() THEN not_before END AS held_until
FROM syncd.tokens WHERE enabled ORDER BY rank, name;

-- name: expire_changes
-- Forget what the feed tells of more than $1 ago.
WITH changes AS (DELETE FROM syncd.changes WHERE position < extract(epoch FROM now() - $1::interval)::bigint * 1000000
                 RETURNING position),
     last AS (SELECT max(position) AS position FROM changes)
UPDATE syncd.feed f SET complete_after = last.position FROM last WHERE last.position > f.complete_after;

-- name: pull_soon
-- The tokens $1 compare everything, at their next turn, which is now.
UPDATE syncd.tokens SET digest = NULL, compare_no = compare_no + 1, last_full_at = NULL, next_due_at = now()
WHERE name = ANY ($1::text[]);

-- name: all_tokens
SELECT name FROM syncd.tokens WHERE enabled ORDER BY rank, name;

-- name: compare_tokens
-- The next pull of the tokens $1 compares everything.
UPDATE syncd.tokens SET digest = NULL, compare_no = compare_no + 1 WHERE name = ANY ($1::text[]);

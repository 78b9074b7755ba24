-- name: share_workspaces
-- Workspaces that token $1 leaves to an administrator's token that is better, and well: it succeeds, is not overdue, and
-- sees the whole of them. Where there is none and $1 is an administrator itself, it takes over, and what the better ones
-- saw is set aside until they look again: the mirror must not wait for those who do not come. $1 is to miss what only
-- they saw, so that somebody does. Rows are locked in the order in which a pull writes them.
WITH mine AS (
    SELECT s.workspace_id, s.is_admin, t.rank
    FROM syncd.scopes s JOIN syncd.tokens t ON t.name = s.token
    WHERE s.token = $1 AND s.resource = 'project' AND s.lost_at IS NULL
), administrators AS (
    SELECT s.workspace_id, s.token, t.rank,
           t.failures < 3 AND t.next_due_at > now() - 2 * t.pull_interval
           AND coalesce(t.not_before < now() + 2 * t.pull_interval, true) AND cardinality(s.incomplete) = 0 AS is_well
    FROM mine m JOIN syncd.scopes s USING (workspace_id) JOIN syncd.tokens t ON t.name = s.token
    WHERE s.token <> $1 AND s.resource = 'project' AND s.is_admin AND s.lost_at IS NULL
      AND t.enabled AND t.status <> 'rejected'
), led AS (
    SELECT DISTINCT m.workspace_id FROM mine m JOIN administrators a USING (workspace_id)
    WHERE a.is_well AND (a.rank < m.rank OR NOT m.is_admin)
), overdue AS (
    SELECT s.token, s.workspace_id, s.resource
    FROM mine m JOIN administrators a USING (workspace_id) JOIN syncd.scopes s USING (token, workspace_id)
    WHERE m.is_admin AND NOT a.is_well AND s.standby_at IS NULL
      AND m.workspace_id NOT IN (SELECT workspace_id FROM led)
    ORDER BY s.token, s.workspace_id, s.resource FOR UPDATE OF s
), set_aside AS (
    UPDATE syncd.scopes s SET standby_at = now(), cursor = NULL, held_ids = NULL, held_hash = NULL, held_reason = NULL,
           held_live = NULL, held_since = NULL
    FROM overdue o WHERE (s.token, s.workspace_id, s.resource) = (o.token, o.workspace_id, o.resource)
    RETURNING s.workspace_id, s.resource, syncd.ever_seen(s) AS seen
), legacy AS (
    SELECT workspace_id, resource, array_agg(id) AS ids FROM set_aside, unnest(seen) AS id GROUP BY 1, 2
), inherited AS (
    UPDATE syncd.scopes s SET ids = ARRAY (SELECT DISTINCT id FROM unnest(s.ids || l.ids) AS id ORDER BY id)
    FROM legacy l WHERE (s.token, s.workspace_id, s.resource) = ($1, l.workspace_id, l.resource)
)
SELECT workspace_id FROM led ORDER BY workspace_id;

-- name: stand_by
-- Token $1 leaves workspace $2 to the best administrator who looks at it, and what it saw there is set aside. That one is
-- to miss what only this one saw, so that somebody does. Returns how many rows it saw there last, and who has to list
-- everything for that.
WITH best AS (
    SELECT s.token FROM syncd.scopes s JOIN syncd.tokens t ON t.name = s.token
    WHERE s.workspace_id = $2 AND s.resource = 'project' AND s.token <> $1 AND s.is_admin AND s.standby_at IS NULL
      AND s.lost_at IS NULL AND t.enabled AND t.status <> 'rejected'
    ORDER BY t.rank LIMIT 1
), set_aside AS (
    UPDATE syncd.scopes s SET standby_at = now(), cursor = NULL, held_ids = NULL, held_hash = NULL, held_reason = NULL,
           held_live = NULL, held_since = NULL
    WHERE token = $1 AND workspace_id = $2 AND standby_at IS NULL
    RETURNING s.resource, syncd.ever_seen(s) AS seen
), inherited AS (
    UPDATE syncd.scopes s SET ids = ARRAY (SELECT DISTINCT id FROM unnest(s.ids || a.seen) AS id ORDER BY id)
    FROM set_aside a, best b
    WHERE (s.token, s.workspace_id, s.resource) = (b.token, $2, a.resource) AND NOT a.seen <@ syncd.ever_seen(s)
    RETURNING s.token
)
SELECT coalesce(sum(cardinality(s.ids)), 0)::bigint AS rows, ARRAY (SELECT DISTINCT token FROM inherited) AS heirs
FROM syncd.scopes s JOIN syncd.tokens t ON t.name = s.token
WHERE s.token = $1 AND s.workspace_id = $2 AND s.lost_at IS NULL AND s.resource = ANY (t.resources);

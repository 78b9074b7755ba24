-- name: held_summary
-- Deletions that wait for a person, at most $2 sets of the tokens $1; `ids` as a number, not as a list.
SELECT held_hash AS hash, token, workspace_id, resource, cardinality(held_ids) AS deletes, held_live AS live,
       held_reason AS reason, held_since AS since
FROM syncd.scopes WHERE held_ids IS NOT NULL AND token = ANY ($1::text[])
ORDER BY held_since, token, workspace_id, resource LIMIT $2;

-- name: quarantine_summary
-- What is in quarantine, by token, resource and reason: at most $2 lines about the tokens $1, the newest first.
SELECT token, resource, reason, count(*) AS records, min(first_seen_at) AS since
FROM syncd.quarantine WHERE released_at IS NULL AND token = ANY ($1::text[])
GROUP BY token, resource, reason ORDER BY since DESC, token, resource, reason LIMIT $2;

-- name: sync_status_of
-- What toggl.sync_status says of the tokens $1, in rank order.
SELECT s.* FROM toggl.sync_status s JOIN syncd.tokens t ON t.name = s.token
WHERE s.token = ANY ($1::text[]) ORDER BY NOT t.enabled, t.rank, t.name;

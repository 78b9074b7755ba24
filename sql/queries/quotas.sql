-- name: read_budget
-- What a pull of token $1 may cost: what is known of its user's quotas (seconds until they reset, below 0 if they did),
-- and who else draws on them. $2: how old the last full pull may be.
SELECT t.user_id, coalesce(t.last_full_at <= now() - $2::interval, true) AS full_due,
    coalesce(extract(epoch FROM t.quota_interval), 0)::float8 AS quota_interval_s,
    (SELECT coalesce(jsonb_agg(jsonb_build_object('organization', q.organization_id, 'remaining', q.remaining,
                'total', q.total, 'resets_in_s', extract(epoch FROM q.resets_at - now()))), '[]')
     FROM syncd.quotas q WHERE q.owner = coalesce('#' || t.user_id, t.name)) AS levels,
    (SELECT jsonb_object_agg(s.name, jsonb_build_object('interval_s', extract(epoch FROM s.pull_interval),
                'full', s.full_cost, 'usual', s.usual_cost))
     FROM syncd.tokens s WHERE s.name = t.name OR (s.enabled AND s.user_id = t.user_id)) AS sharers
FROM syncd.tokens t WHERE t.name = $1;

-- name: write_quotas
-- What a process knows of the quotas of owner $1: $2 organizations (0: none), $3 remaining, $4 totals (0: not told), $5
-- seconds until they reset. Of two accounts of one hour the lower is right, for requests only use up; else that of
-- the later hour.
INSERT INTO syncd.quotas AS q
SELECT $1, organization, remaining, total, now() + make_interval(secs => resets_in_s), now()
FROM unnest($2::bigint[], $3::integer[], $4::integer[], $5::float8[]) AS told (organization, remaining, total, resets_in_s)
ORDER BY organization
ON CONFLICT (owner, organization_id) DO UPDATE
SET remaining = CASE WHEN q.resets_at <= now() OR excluded.resets_at > q.resets_at + interval '30 s'
                     THEN excluded.remaining ELSE least(q.remaining, excluded.remaining) END,
    total = coalesce(nullif(excluded.total, 0), q.total), resets_at = greatest(q.resets_at, excluded.resets_at), updated_at = now()
WHERE q.resets_at <= now() OR excluded.resets_at >= q.resets_at - interval '30 s';

-- name: write_budget
-- What pulls of token $1 cost ($2 full, $3 usual; NULL: not known), how far apart they must be ($4; NULL: as
-- configured), and what a person should do about that ($5).
UPDATE syncd.tokens SET full_cost = $2, usual_cost = $3, quota_interval = $4, quota_action = $5
WHERE name = $1
  AND (full_cost, usual_cost, quota_interval, quota_action) IS DISTINCT FROM ($2::jsonb, $3::jsonb, $4::interval, $5::text);

-- name: write_user
-- Token $1 belongs to user $2.
UPDATE syncd.tokens SET user_id = $2 WHERE name = $1;

-- name: postpone_pull
-- What is left of the quota does not cover a pull of token $1: it is due in $2 seconds. Returns when that is.
UPDATE syncd.tokens SET next_due_at = now() + make_interval(secs => $2::float8) WHERE name = $1 RETURNING next_due_at;

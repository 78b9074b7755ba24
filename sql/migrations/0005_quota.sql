-- The hourly quota: what is left of it, what a pull costs, and how often a token can be pulled.

CREATE TABLE syncd.quotas (
    owner           text        NOT NULL,
    organization_id bigint      NOT NULL,
    remaining       integer     NOT NULL,
    total           integer     NOT NULL,
    resets_at       timestamptz NOT NULL,
    updated_at      timestamptz NOT NULL,
    PRIMARY KEY (owner, organization_id)
);
ALTER TABLE syncd.tokens ADD COLUMN user_id bigint;
ALTER TABLE syncd.tokens ADD COLUMN full_cost jsonb;
ALTER TABLE syncd.tokens ADD COLUMN usual_cost jsonb;
ALTER TABLE syncd.tokens ADD COLUMN quota_interval interval;
ALTER TABLE syncd.tokens ADD COLUMN quota_action text;

COMMENT ON TABLE syncd.quotas IS 'The hourly request quotas as the API last told them: one row per user and organization.';
COMMENT ON COLUMN syncd.quotas.owner IS '# and the id of the user at Toggl, or the name of a token whose user is not known yet.';
COMMENT ON COLUMN syncd.quotas.organization_id IS 'Whose bucket of that user it is; 0 = calls that belong to no organization.';
COMMENT ON COLUMN syncd.quotas.remaining IS 'Requests left until resets_at.';
COMMENT ON COLUMN syncd.quotas.total IS 'Requests of a whole hour.';
COMMENT ON COLUMN syncd.tokens.user_id IS 'Whose token it is at Toggl: tokens of one user share quotas. NULL: not known yet.';
COMMENT ON COLUMN syncd.tokens.full_cost IS 'Requests of the last pull that listed everything, by organization (0: none).';
COMMENT ON COLUMN syncd.tokens.usual_cost IS 'Requests that a pull of changes only is expected to need, by organization (0: none).';
COMMENT ON COLUMN syncd.tokens.quota_interval IS 'Between two pulls if the quota is to last; NULL: it allows the configured interval.';
COMMENT ON COLUMN syncd.tokens.quota_action IS 'What a person should do so that the configured interval can be kept; NULL: it is.';

-- When the next pull of a token is due: at the first instant of its grid that lies ahead. The grid moves by at most a
-- tenth of the interval at a time until it stands where the token's name puts it, so that many tokens spread evenly
-- however they began, and no pull ever comes early.
CREATE FUNCTION syncd.next_due(name text, every interval, due timestamptz) RETURNS timestamptz LANGUAGE sql STABLE AS $$
    SELECT ahead + least(every / 10, CASE WHEN below = ahead THEN interval '0' ELSE below + every - ahead END)
    FROM (SELECT date_bin(every, now(), due) + every AS ahead,
                 timestamptz 'epoch' + every * (('x' || left(md5(name), 8))::bit(32)::bigint / 4294967296.0) AS place) grid,
         LATERAL (SELECT date_bin(every, ahead, place) AS below) place_before
$$;
COMMENT ON FUNCTION syncd.next_due IS 'When the next pull of a token is due.';

CREATE OR REPLACE VIEW toggl.sync_status AS
SELECT t.name AS token,
       CASE WHEN NOT t.enabled THEN 'disabled'
            WHEN t.running_until > now() THEN 'running'
            WHEN t.status <> 'ok' THEN t.status
            WHEN coalesce(held.deletes, 0) > 0 THEN 'deletes_blocked'
            WHEN now() > t.last_success_at + 3 * greatest(t.pull_interval, t.quota_interval) THEN 'late'
            ELSE 'ok' END AS status,
       CASE WHEN t.running_until > now() THEN t.last_attempt_at ELSE t.status_since END AS since,
       t.last_attempt_at,
       t.last_success_at,
       extract(epoch FROM now() - t.last_success_at)::bigint AS staleness_seconds,
       CASE WHEN t.enabled THEN greatest(t.next_due_at, t.not_before) END AS next_due_at,
       t.row_count AS rows,
       coalesce(held.deletes, 0) AS deletes_held,
       coalesce(aside.records, 0) AS quarantined,
       t.quota_remaining,
       t.last_error,
       coalesce(t.action_required,
                CASE WHEN t.enabled AND held.deletes > 0 THEN 'decide about held-back deletions: syncd deletes list' END,
                CASE WHEN t.enabled THEN t.quota_action END)
           AS action_required
FROM syncd.tokens t
LEFT JOIN (SELECT token, sum(cardinality(held_ids))::bigint AS deletes
           FROM syncd.scopes WHERE held_ids IS NOT NULL GROUP BY token) held ON held.token = t.name
LEFT JOIN (SELECT token, count(*) AS records
           FROM syncd.quarantine WHERE released_at IS NULL GROUP BY token) aside ON aside.token = t.name;

-- The whole contract: schema toggl is what BI reads, schema syncd is the machinery that no BI role can read.
-- Works with PostgreSQL 15 and later; needs no extension.

CREATE SCHEMA IF NOT EXISTS toggl;
CREATE SCHEMA IF NOT EXISTS syncd;
REVOKE ALL ON SCHEMA syncd FROM PUBLIC;

COMMENT ON SCHEMA toggl IS 'A mirror of Toggl clients and projects. Read this schema; additions may come, nothing in it is renamed or dropped without notice.';
COMMENT ON SCHEMA syncd IS 'The machinery of syncd: not for reports, changes without notice.';

-- ---------------------------------------------------------------------------------------------------------------
-- What BI sees: tables
-- ---------------------------------------------------------------------------------------------------------------

CREATE TABLE toggl.workspaces (
    id              bigint      PRIMARY KEY CHECK (id > 0),
    name            text        CHECK (char_length(name) <= 65536),
    deleted_at      timestamptz,
    _first_seen_at  timestamptz NOT NULL,
    _valid_from     timestamptz NOT NULL,
    _synced_at      timestamptz NOT NULL,
    _pull_id        bigint      NOT NULL,
    _is_stub        boolean     NOT NULL DEFAULT false,
    CHECK (_is_stub OR name IS NOT NULL)
);

CREATE TABLE toggl.clients (
    id              bigint        PRIMARY KEY CHECK (id > 0),
    workspace_id    bigint        NOT NULL REFERENCES toggl.workspaces,
    name            text          CHECK (char_length(name) <= 65536),
    notes           text          CHECK (char_length(notes) <= 65536),
    hourly_rate     numeric(18,4) CHECK (hourly_rate >= 0 AND hourly_rate < 1e12),
    currency        text          CHECK (char_length(currency) <= 64),
    archived        boolean,
    at              timestamptz,
    extra           jsonb,
    deleted_at      timestamptz,
    _first_seen_at  timestamptz   NOT NULL,
    _valid_from     timestamptz   NOT NULL,
    _synced_at      timestamptz   NOT NULL,
    _pull_id        bigint        NOT NULL,
    _is_stub        boolean       NOT NULL DEFAULT false,
    _change_kind    text          NOT NULL CHECK (_change_kind IN ('insert', 'update', 'reappear')),
    CHECK (_is_stub OR (name IS NOT NULL AND at IS NOT NULL))
);
CREATE INDEX clients_workspace_id_idx ON toggl.clients (workspace_id);

CREATE TABLE toggl.projects (
    id                bigint        PRIMARY KEY CHECK (id > 0),
    workspace_id      bigint        NOT NULL REFERENCES toggl.workspaces,
    client_id         bigint        REFERENCES toggl.clients,
    name              text          CHECK (char_length(name) <= 65536),
    active            boolean,
    is_private        boolean,
    billable          boolean,
    template          boolean,
    color             text          CHECK (char_length(color) <= 64),
    currency          text          CHECK (char_length(currency) <= 64),
    rate              numeric(18,4) CHECK (rate >= 0 AND rate < 1e12),
    fixed_fee         numeric(18,4) CHECK (fixed_fee >= 0 AND fixed_fee < 1e12),
    estimated_seconds bigint,
    auto_estimates    boolean,
    recurring         boolean,
    status            text          CHECK (char_length(status) <= 64),
    start_date        date,
    end_date          date,
    created_at        timestamptz,
    actual_seconds    bigint,
    at                timestamptz,
    extra             jsonb,
    deleted_at        timestamptz,
    _first_seen_at    timestamptz   NOT NULL,
    _valid_from       timestamptz   NOT NULL,
    _synced_at        timestamptz   NOT NULL,
    _pull_id          bigint        NOT NULL,
    _is_stub          boolean       NOT NULL DEFAULT false,
    _change_kind      text          NOT NULL CHECK (_change_kind IN ('insert', 'update', 'reappear')),
    CHECK (_is_stub OR (name IS NOT NULL AND at IS NOT NULL))
);
CREATE INDEX projects_workspace_id_idx ON toggl.projects (workspace_id);
CREATE INDEX projects_client_id_idx ON toggl.projects (client_id);

-- ---------------------------------------------------------------------------------------------------------------
-- The machinery
-- ---------------------------------------------------------------------------------------------------------------

-- One number names a pull and fences it: it only grows, so of two pulls of a token the greater began last.
-- A sequence is not rolled back and not reused, which is what a fencing token needs.
CREATE SEQUENCE syncd.pull_ids AS bigint;

CREATE TABLE syncd.tokens (
    name            text        PRIMARY KEY,
    rank            integer     NOT NULL,
    enabled         boolean     NOT NULL DEFAULT true,
    fingerprint     text        NOT NULL,
    pull_interval   interval    NOT NULL,
    pull_id         bigint      NOT NULL DEFAULT 0,
    running_until   timestamptz,
    status          text        NOT NULL DEFAULT 'late'
                    CHECK (status IN ('ok', 'late', 'rate_limited', 'rejected', 'failed')),
    status_since    timestamptz NOT NULL DEFAULT now(),
    last_attempt_at timestamptz,
    last_success_at timestamptz,
    last_full_at    timestamptz,
    next_due_at     timestamptz NOT NULL DEFAULT now(),
    not_before      timestamptz,
    failures        integer     NOT NULL DEFAULT 0,
    digest          bytea,
    compare_no      bigint      NOT NULL DEFAULT 0,
    workspace_ids   bigint[],
    row_count       bigint      NOT NULL DEFAULT 0,
    request_count   integer,
    quota_remaining integer,
    last_error      text,
    action_required text
) WITH (fillfactor = 50);

COMMENT ON TABLE syncd.tokens IS 'One row per configured token: its schedule, its fence, its digest and its state. Never the token itself.';
COMMENT ON COLUMN syncd.tokens.fingerprint IS 'Salted hash of the token: tells that another account is behind the name now.';
COMMENT ON COLUMN syncd.tokens.pull_id IS 'The fence: id of the pull that began last. Only that pull may write.';
COMMENT ON COLUMN syncd.tokens.digest IS 'Digest of all answers of the last complete pull; equal answers mean that nothing changed. NULL: compare.';
COMMENT ON COLUMN syncd.tokens.compare_no IS 'Raised whenever a digest must not be trusted any more, also one that a pull at work is about to write.';
COMMENT ON COLUMN syncd.tokens.workspace_ids IS 'Workspaces that the token saw last.';
COMMENT ON COLUMN syncd.tokens.not_before IS 'No request for this token before this instant: Retry-After, quota, or backoff after a rejection.';

CREATE TABLE syncd.scopes (
    token           text        NOT NULL REFERENCES syncd.tokens (name),
    workspace_id    bigint      NOT NULL,
    resource        text        NOT NULL CHECK (resource IN ('client', 'project')),
    is_admin        boolean     NOT NULL,
    strategy        text        NOT NULL,
    ids             bigint[]    NOT NULL,
    absent          jsonb       NOT NULL DEFAULT '[]',
    regressions     jsonb       NOT NULL DEFAULT '{}',
    incomplete      text[]      NOT NULL DEFAULT '{}',
    held_ids        bigint[],
    held_hash       text,
    held_reason     text,
    held_live       bigint,
    held_since      timestamptz,
    seen_at         timestamptz NOT NULL,
    complete_at     timestamptz,
    lost_at         timestamptz,
    pull_id         bigint      NOT NULL,
    PRIMARY KEY (token, workspace_id, resource)
);
CREATE INDEX scopes_workspace_id_idx ON syncd.scopes (workspace_id);
-- Long arrays of ascending ids barely compress; trying costs more than it saves.
ALTER TABLE syncd.scopes ALTER COLUMN ids SET STORAGE EXTERNAL;

COMMENT ON TABLE syncd.scopes IS 'What each token last saw of a workspace and resource: one row per scope, never per record. Who owns a row is derived from here.';
COMMENT ON COLUMN syncd.scopes.ids IS 'Ids in the last snapshot, ascending.';
COMMENT ON COLUMN syncd.scopes.absent IS 'Ids this scope once showed and the last complete snapshots lacked, by the snapshot that first lacked them: candidates, not deletes.';
COMMENT ON COLUMN syncd.scopes.regressions IS 'Records that came older than stored, and how often in a row: a restore at the source, if it goes on.';
COMMENT ON COLUMN syncd.scopes.incomplete IS 'Why the last snapshot proves no absence; empty = it was complete.';
COMMENT ON COLUMN syncd.scopes.held_ids IS 'Deletions that the guard holds back until a person decides; held_hash stands for exactly this set.';
COMMENT ON COLUMN syncd.scopes.lost_at IS 'Since when the token no longer sees the workspace: what it saw is frozen, and no evidence.';

CREATE TABLE syncd.decisions (
    token        text        NOT NULL REFERENCES syncd.tokens (name),
    workspace_id bigint      NOT NULL,
    resource     text        NOT NULL,
    hash         text        NOT NULL,
    decision     text        NOT NULL CHECK (decision IN ('approve', 'reject')),
    decided_at   timestamptz NOT NULL DEFAULT now(),
    expires_at   timestamptz NOT NULL,
    PRIMARY KEY (token, workspace_id, resource, hash)
);
COMMENT ON TABLE syncd.decisions IS 'What people decided about held-back deletions, each about exactly one set of ids.';

CREATE TABLE syncd.pulls (
    id          bigint      PRIMARY KEY,
    token       text        NOT NULL REFERENCES syncd.tokens (name),
    began_at    timestamptz NOT NULL,
    finished_at timestamptz,
    result      text        CHECK (result IN ('changed', 'partial')),
    counts      jsonb
);
CREATE INDEX pulls_token_idx ON syncd.pulls (token, id DESC);
COMMENT ON TABLE syncd.pulls IS 'The pulls that wrote rows; `_pull_id` of the mirrored rows points here. Unchanged pulls leave only a log line.';

CREATE TABLE syncd.quarantine (
    token         text        NOT NULL REFERENCES syncd.tokens (name),
    resource      text        NOT NULL CHECK (resource IN ('client', 'project', 'workspace')),
    record_key    text        NOT NULL,
    workspace_id  bigint,
    reason        text        NOT NULL,
    detail        text        NOT NULL,
    body          text        NOT NULL,
    first_seen_at timestamptz NOT NULL,
    last_seen_at  timestamptz NOT NULL,
    released_at   timestamptz,
    pull_id       bigint      NOT NULL,
    PRIMARY KEY (token, resource, record_key)
);
COMMENT ON TABLE syncd.quarantine IS 'Records that could not be stored, with the reason. Released when the source sends them well.';
COMMENT ON COLUMN syncd.quarantine.record_key IS 'The record''s id, or a digest of its bytes where it has no usable id.';

-- Superseded versions only: the open version of a live row is the row itself, so a first pull writes each row once.
CREATE TABLE syncd.client_versions (
    id           bigint        NOT NULL REFERENCES toggl.clients,
    workspace_id bigint        NOT NULL,
    name         text,
    notes        text,
    hourly_rate  numeric(18,4),
    currency     text,
    archived     boolean,
    at           timestamptz,
    extra        jsonb,
    valid_from   timestamptz   NOT NULL,
    valid_to     timestamptz   NOT NULL,
    change_kind  text          NOT NULL CHECK (change_kind IN ('insert', 'update', 'reappear')),
    end_kind     text          NOT NULL CHECK (end_kind IN ('update', 'delete')),
    pull_id      bigint        NOT NULL,
    PRIMARY KEY (id, valid_from),
    CHECK (valid_from < valid_to)
);

CREATE TABLE syncd.project_versions (
    id                bigint        NOT NULL REFERENCES toggl.projects,
    workspace_id      bigint        NOT NULL,
    client_id         bigint,
    name              text,
    active            boolean,
    is_private        boolean,
    billable          boolean,
    template          boolean,
    color             text,
    currency          text,
    rate              numeric(18,4),
    fixed_fee         numeric(18,4),
    estimated_seconds bigint,
    auto_estimates    boolean,
    recurring         boolean,
    status            text,
    start_date        date,
    end_date          date,
    created_at        timestamptz,
    actual_seconds    bigint,
    at                timestamptz,
    extra             jsonb,
    valid_from        timestamptz   NOT NULL,
    valid_to          timestamptz   NOT NULL,
    change_kind       text          NOT NULL CHECK (change_kind IN ('insert', 'update', 'reappear')),
    end_kind          text          NOT NULL CHECK (end_kind IN ('update', 'delete')),
    pull_id           bigint        NOT NULL,
    PRIMARY KEY (id, valid_from),
    CHECK (valid_from < valid_to)
);
COMMENT ON TABLE syncd.client_versions IS 'Superseded versions of clients; read them through toggl.clients_history.';
COMMENT ON TABLE syncd.project_versions IS 'Superseded versions of projects; read them through toggl.projects_history.';

-- ---------------------------------------------------------------------------------------------------------------
-- What BI sees: views
-- ---------------------------------------------------------------------------------------------------------------

CREATE VIEW toggl.clients_current AS
SELECT id, workspace_id, name, notes, hourly_rate, currency, archived, at,
       _first_seen_at, _valid_from, _synced_at, _pull_id
FROM toggl.clients
WHERE deleted_at IS NULL AND NOT _is_stub;

CREATE VIEW toggl.projects_current AS
SELECT id, workspace_id, client_id, name, active, is_private, billable, template, color, currency, rate, fixed_fee,
       estimated_seconds, auto_estimates, recurring, status, start_date, end_date, created_at, actual_seconds, at,
       _first_seen_at, _valid_from, _synced_at, _pull_id
FROM toggl.projects
WHERE deleted_at IS NULL AND NOT _is_stub;

CREATE VIEW toggl.clients_history AS
SELECT id, workspace_id, name, notes, hourly_rate, currency, archived, at,
       valid_from, valid_to, false AS is_current, change_kind, end_kind
FROM syncd.client_versions
UNION ALL
SELECT id, workspace_id, name, notes, hourly_rate, currency, archived, at,
       _valid_from, NULL, true, _change_kind, NULL
FROM toggl.clients
WHERE deleted_at IS NULL AND NOT _is_stub;

CREATE VIEW toggl.projects_history AS
SELECT id, workspace_id, client_id, name, active, is_private, billable, template, color, currency, rate, fixed_fee,
       estimated_seconds, auto_estimates, recurring, status, start_date, end_date, created_at, actual_seconds, at,
       valid_from, valid_to, false AS is_current, change_kind, end_kind
FROM syncd.project_versions
UNION ALL
SELECT id, workspace_id, client_id, name, active, is_private, billable, template, color, currency, rate, fixed_fee,
       estimated_seconds, auto_estimates, recurring, status, start_date, end_date, created_at, actual_seconds, at,
       _valid_from, NULL, true, _change_kind, NULL
FROM toggl.projects
WHERE deleted_at IS NULL AND NOT _is_stub;

-- Rate and currency are taken from the same row, so that an amount never meets a currency it was not meant in.
CREATE VIEW toggl.projects_enriched AS
SELECT p.id, p.workspace_id, w.name AS workspace_name, p.client_id, c.name AS client_name, p.name, p.active,
       p.is_private, p.billable, p.template, p.color, p.currency, p.rate, p.fixed_fee,
       coalesce(p.rate, c.hourly_rate) AS effective_rate,
       CASE WHEN p.rate IS NOT NULL THEN p.currency
            WHEN c.hourly_rate IS NOT NULL THEN c.currency
            ELSE coalesce(p.currency, c.currency) END AS effective_currency,
       p.estimated_seconds, p.auto_estimates, p.recurring, p.status, p.start_date, p.end_date, p.created_at,
       p.actual_seconds, p.at
FROM toggl.projects_current p
JOIN toggl.workspaces w ON w.id = p.workspace_id
LEFT JOIN toggl.clients c ON c.id = p.client_id;

CREATE VIEW toggl.sync_status AS
SELECT t.name AS token,
       CASE WHEN NOT t.enabled THEN 'disabled'
            WHEN t.running_until > now() THEN 'running'
            WHEN t.status <> 'ok' THEN t.status
            WHEN coalesce(held.deletes, 0) > 0 THEN 'deletes_blocked'
            WHEN now() > t.last_success_at + 3 * t.pull_interval THEN 'late'
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
                CASE WHEN t.enabled AND held.deletes > 0 THEN 'decide about held-back deletions: syncd deletes list' END)
           AS action_required
FROM syncd.tokens t
LEFT JOIN (SELECT token, sum(cardinality(held_ids))::bigint AS deletes
           FROM syncd.scopes WHERE held_ids IS NOT NULL GROUP BY token) held ON held.token = t.name
LEFT JOIN (SELECT token, count(*) AS records
           FROM syncd.quarantine WHERE released_at IS NULL GROUP BY token) aside ON aside.token = t.name;

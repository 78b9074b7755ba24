-- What BI builds on, completed: indexes for what reports ask, days beside instants, and how fresh a workspace is.

-- Reports ask for what is live, by workspace and by client; counts come from these alone.
CREATE INDEX clients_live_idx ON toggl.clients (workspace_id) WHERE deleted_at IS NULL AND NOT _is_stub;
CREATE INDEX projects_live_idx ON toggl.projects (workspace_id, client_id) WHERE deleted_at IS NULL AND NOT _is_stub;

-- As of an instant: of long ago few versions had begun, of late few have ended since.
CREATE INDEX client_versions_valid_from_idx ON syncd.client_versions (valid_from);
CREATE INDEX client_versions_valid_to_idx ON syncd.client_versions (valid_to);
CREATE INDEX project_versions_valid_from_idx ON syncd.project_versions (valid_from);
CREATE INDEX project_versions_valid_to_idx ON syncd.project_versions (valid_to);

-- Days are those of UTC, whatever the session's time zone. New columns come last: dependent reports keep their places.
CREATE OR REPLACE VIEW toggl.clients_current AS
SELECT id, workspace_id, name, notes, hourly_rate, currency, archived, at,
       _first_seen_at, _valid_from, _synced_at, _pull_id,
       (at AT TIME ZONE 'UTC')::date AS at_date,
       (_first_seen_at AT TIME ZONE 'UTC')::date AS _first_seen_date
FROM toggl.clients
WHERE deleted_at IS NULL AND NOT _is_stub;

CREATE OR REPLACE VIEW toggl.projects_current AS
SELECT id, workspace_id, client_id, name, active, is_private, billable, template, color, currency, rate, fixed_fee,
       estimated_seconds, auto_estimates, recurring, status, start_date, end_date, created_at, actual_seconds, at,
       _first_seen_at, _valid_from, _synced_at, _pull_id,
       (at AT TIME ZONE 'UTC')::date AS at_date,
       (created_at AT TIME ZONE 'UTC')::date AS created_date,
       (_first_seen_at AT TIME ZONE 'UTC')::date AS _first_seen_date
FROM toggl.projects
WHERE deleted_at IS NULL AND NOT _is_stub;

CREATE OR REPLACE VIEW toggl.clients_history AS
SELECT id, workspace_id, name, notes, hourly_rate, currency, archived, at,
       valid_from, valid_to, false AS is_current, change_kind, end_kind,
       (at AT TIME ZONE 'UTC')::date AS at_date,
       (valid_from AT TIME ZONE 'UTC')::date AS valid_from_date,
       (valid_to AT TIME ZONE 'UTC')::date AS valid_to_date
FROM syncd.client_versions
UNION ALL
SELECT id, workspace_id, name, notes, hourly_rate, currency, archived, at,
       _valid_from, NULL, true, _change_kind, NULL,
       (at AT TIME ZONE 'UTC')::date, (_valid_from AT TIME ZONE 'UTC')::date, NULL
FROM toggl.clients
WHERE deleted_at IS NULL AND NOT _is_stub;

CREATE OR REPLACE VIEW toggl.projects_history AS
SELECT id, workspace_id, client_id, name, active, is_private, billable, template, color, currency, rate, fixed_fee,
       estimated_seconds, auto_estimates, recurring, status, start_date, end_date, created_at, actual_seconds, at,
       valid_from, valid_to, false AS is_current, change_kind, end_kind,
       (at AT TIME ZONE 'UTC')::date AS at_date,
       (created_at AT TIME ZONE 'UTC')::date AS created_date,
       (valid_from AT TIME ZONE 'UTC')::date AS valid_from_date,
       (valid_to AT TIME ZONE 'UTC')::date AS valid_to_date
FROM syncd.project_versions
UNION ALL
SELECT id, workspace_id, client_id, name, active, is_private, billable, template, color, currency, rate, fixed_fee,
       estimated_seconds, auto_estimates, recurring, status, start_date, end_date, created_at, actual_seconds, at,
       _valid_from, NULL, true, _change_kind, NULL,
       (at AT TIME ZONE 'UTC')::date, (created_at AT TIME ZONE 'UTC')::date, (_valid_from AT TIME ZONE 'UTC')::date, NULL
FROM toggl.projects
WHERE deleted_at IS NULL AND NOT _is_stub;

CREATE OR REPLACE VIEW toggl.projects_enriched AS
SELECT p.id, p.workspace_id, w.name AS workspace_name, p.client_id, c.name AS client_name, p.name, p.active,
       p.is_private, p.billable, p.template, p.color, p.currency, p.rate, p.fixed_fee,
       coalesce(p.rate, c.hourly_rate) AS effective_rate,
       CASE WHEN p.rate IS NOT NULL THEN p.currency
            WHEN c.hourly_rate IS NOT NULL THEN c.currency
            ELSE coalesce(p.currency, c.currency) END AS effective_currency,
       p.estimated_seconds, p.auto_estimates, p.recurring, p.status, p.start_date, p.end_date, p.created_at,
       p.actual_seconds, p.at, p.at_date, p.created_date
FROM toggl.projects_current p
JOIN toggl.workspaces w ON w.id = p.workspace_id
LEFT JOIN toggl.clients c ON c.id = p.client_id;

-- A row is as fresh as the token that shows it, and a workspace no fresher than the stalest token that looks at it. What
-- nobody looks at any more is frozen: as of when somebody last did. Where the source refused a listing, the last one
-- that it gave counts.
CREATE VIEW toggl.workspace_freshness AS
WITH looks AS (
    SELECT s.workspace_id, s.token,
           t.enabled AND t.status <> 'rejected' AND s.lost_at IS NULL AND s.standby_at IS NULL AS is_looking,
           min(CASE WHEN s.incomplete && ARRAY['http_403', 'http_404', 'http_405'] THEN s.complete_at
                    WHEN s.lost_at IS NOT NULL OR s.standby_at IS NOT NULL OR cardinality(s.incomplete) > 0 THEN s.seen_at
                    ELSE greatest(s.seen_at, t.last_success_at) END) AS seen_at,
           min(greatest(s.complete_at,
                        CASE WHEN s.lost_at IS NULL AND s.standby_at IS NULL AND cardinality(s.incomplete) = 0
                             THEN t.last_walk_at END)) AS listed_at,
           coalesce(sum(cardinality(s.held_ids)), 0)::bigint AS deletes_held
    FROM syncd.scopes s JOIN syncd.tokens t ON t.name = s.token
    GROUP BY 1, 2, 3
), fresh AS (
    SELECT workspace_id,
           coalesce(min(seen_at) FILTER (WHERE is_looking), max(seen_at)) AS last_success_at,
           coalesce(min(listed_at) FILTER (WHERE is_looking), max(listed_at)) AS last_full_at,
           (array_agg(token ORDER BY seen_at, token) FILTER (WHERE is_looking AND seen_at IS NOT NULL))[1] AS token,
           count(*) FILTER (WHERE is_looking) AS tokens,
           sum(deletes_held)::bigint AS deletes_held
    FROM looks GROUP BY 1
)
SELECT w.id AS workspace_id, w.name AS workspace_name, f.last_success_at,
       extract(epoch FROM now() - f.last_success_at)::bigint AS staleness_seconds,
       f.last_full_at, f.token, coalesce(f.tokens, 0) AS tokens,
       coalesce(f.deletes_held, 0) AS deletes_held,
       (SELECT count(*) FROM syncd.quarantine q WHERE q.workspace_id = w.id AND q.released_at IS NULL) AS quarantined
FROM toggl.workspaces w LEFT JOIN fresh f ON f.workspace_id = w.id;

-- ---------------------------------------------------------------------------------------------------------------
-- What everything means
-- ---------------------------------------------------------------------------------------------------------------
-- A column's comment is its meaning, then `NULL: when.` if it may be NULL, then `API: field.` if it is mirrored, with the
-- API's own name. docs/schema.md is made of these. Views do not inherit them, so each list names the views too.

COMMENT ON SCHEMA toggl IS 'A mirror of the clients and projects of Toggl accounts, for reports. Relations and columns may be added; none is renamed, removed or changes its type without notice.';
COMMENT ON SCHEMA syncd IS 'The machinery of syncd: not for reports, changes without notice.';

DO $comments$
DECLARE
    relation text;
    note record;
BEGIN
    FOR note IN SELECT * FROM (VALUES
        ('TABLE', 'workspaces', 'One row per workspace that a token ever saw. Rows are never removed, so every client and project has its workspace.'),
        ('TABLE', 'clients', 'One row per client ever seen: live, deleted (deleted_at) or known by its id only (_is_stub). Rows are never removed, so every project that has a client finds it here. Reports usually want clients_current.'),
        ('TABLE', 'projects', 'One row per project ever seen: live, archived (active = false) or deleted (deleted_at). Rows are never removed. Reports usually want projects_current or projects_enriched.'),
        ('VIEW', 'clients_current', 'One row per client that exists now, archived ones included: neither deleted ones nor stubs. Key: id.'),
        ('VIEW', 'projects_current', 'One row per project that exists now, archived ones included (active = false): no deleted ones. Key: id.'),
        ('VIEW', 'clients_history', 'One row per version of a client: what it was from valid_from until just before valid_to. Key: id, valid_from. While the client lives its versions have neither gaps nor overlaps, and the last one is open. As of an instant t: WHERE valid_from <= t AND (valid_to > t OR valid_to IS NULL). Of several edits between two pulls there is only the last one.'),
        ('VIEW', 'projects_history', 'One row per version of a project: what it was from valid_from until just before valid_to. Key: id, valid_from. While the project lives its versions have neither gaps nor overlaps, and the last one is open. As of an instant t: WHERE valid_from <= t AND (valid_to > t OR valid_to IS NULL). Of several edits between two pulls there is only the last one.'),
        ('VIEW', 'projects_enriched', 'One row per project that exists now, with the names of its workspace and client and the hourly rate that applies, in the currency it was set in. Key: id. Amounts of different currencies do not add up: group by effective_currency.'),
        ('VIEW', 'sync_status', 'One row per token: when it last succeeded, when its turn comes, and what needs a person. Key: token.'),
        ('VIEW', 'workspace_freshness', 'One row per workspace: as of when its rows are, whoever shows them. Key: workspace_id. Join any relation by workspace_id. An unchanged row is not rewritten, so its own instants do not tell.')
    ) AS r (kind, relation, comment) LOOP
        EXECUTE format('COMMENT ON %s toggl.%I IS %L', note.kind, note.relation, note.comment);
    END LOOP;

    FOR note IN SELECT * FROM (VALUES
        ('workspaces', 'id', 'Id of the workspace. API: id.'),
        ('workspaces', 'name', 'Name of the workspace. NULL: a stub; servers of API v8 that list no workspaces tell no names. API: name.'),

        ('clients clients_current clients_history', 'id', 'Id of the client; the same for ever. API: id.'),
        ('clients clients_current clients_history', 'workspace_id', 'Workspace that the client belongs to; the same for ever. API: wid.'),
        ('clients', 'name', 'Name of the client. NULL: a stub. API: name.'),
        ('clients_current clients_history', 'name', 'Name of the client; may change, and be given to another client. API: name.'),
        ('clients clients_current clients_history', 'notes', 'Notes, as typed. NULL: none. API: notes.'),
        ('clients clients_current clients_history', 'hourly_rate', 'Amount per hour in currency; 0 is a rate of zero. NULL: not set, not visible to the token, or API v9, which has no rates of clients. API: hrate (v8, paid plans).'),
        ('clients clients_current clients_history', 'currency', 'Currency of hourly_rate, as the source writes it (ISO 4217). NULL: not set, not visible, or API v9. API: cur (v8, paid plans).'),
        ('clients clients_current clients_history', 'archived', 'Whether the client is archived. NULL: a stub, or API v8, which has no archived clients. API: archived (v9).'),
        ('clients', 'at', 'When the source last changed the client, by its own clock, in whole seconds. NULL: a stub. API: at.'),
        ('clients_current clients_history', 'at', 'When the source last changed the client, by its own clock, in whole seconds. API: at.'),

        ('projects projects_current projects_history projects_enriched', 'id', 'Id of the project; the same for ever. API: id.'),
        ('projects projects_current projects_history projects_enriched', 'workspace_id', 'Workspace that the project belongs to. API: wid (v8), workspace_id (v9).'),
        ('projects projects_current projects_history projects_enriched', 'client_id', 'Client that the project is for. NULL: none. API: cid (v8), client_id (v9).'),
        ('projects', 'name', 'Name of the project. NULL: a stub. API: name.'),
        ('projects_current projects_history projects_enriched', 'name', 'Name of the project; may change, and be given to another project. API: name.'),
        ('projects projects_current projects_history projects_enriched', 'active', 'false: archived. NULL: the source did not say. API: active.'),
        ('projects projects_current projects_history projects_enriched', 'is_private', 'Whether only its members see it. NULL: the source did not say. API: is_private.'),
        ('projects projects_current projects_history projects_enriched', 'billable', 'Whether time on it is billable by default. NULL: not set; paid plans only. API: billable.'),
        ('projects projects_current projects_history projects_enriched', 'template', 'Whether it is a template for new projects. NULL: not set; paid plans only. API: template.'),
        ('projects projects_current projects_history projects_enriched', 'color', 'Colour: the number of a palette (API v8), or #rrggbb (v9). NULL: the source did not say. API: color.'),
        ('projects projects_current projects_history projects_enriched', 'currency', 'Currency of rate and fixed_fee, as the source writes it (ISO 4217). NULL: not set, not visible to the token, or API v8. API: currency (v9).'),
        ('projects projects_current projects_history projects_enriched', 'rate', 'Amount per hour in currency; 0 is a rate of zero. NULL: not set, or not visible to the token. API: rate.'),
        ('projects projects_current projects_history projects_enriched', 'fixed_fee', 'Price of the whole project in currency. NULL: not set, not visible to the token, or API v8. API: fixed_fee (v9).'),
        ('projects projects_current projects_history projects_enriched', 'estimated_seconds', 'Estimated effort. NULL: not estimated; paid plans only. API: estimated_seconds, else 3600 x estimated_hours.'),
        ('projects projects_current projects_history projects_enriched', 'auto_estimates', 'Whether the estimate is the sum of those of its tasks. NULL: not set; paid plans only. API: auto_estimates.'),
        ('projects projects_current projects_history projects_enriched', 'recurring', 'Whether it begins anew every period. NULL: the source did not say, or API v8. API: recurring (v9).'),
        ('projects projects_current projects_history projects_enriched', 'status', 'upcoming, active, ended, archived or deleted, as the source computed it; may turn by date alone. NULL: the source did not say, or API v8. API: status (v9).'),
        ('projects projects_current projects_history projects_enriched', 'start_date', 'First day of the project. NULL: not set, or API v8. API: start_date (v9).'),
        ('projects projects_current projects_history projects_enriched', 'end_date', 'Last day of the project. NULL: open, or API v8. API: end_date (v9).'),
        ('projects projects_current projects_history projects_enriched', 'created_at', 'When it was created, by the source''s clock. NULL: the source did not say. API: created_at.'),
        ('projects projects_current projects_history projects_enriched', 'actual_seconds', 'Time tracked on it, as of the last write of the row; it moves without a new version. NULL: the source did not say. API: actual_seconds, else 3600 x actual_hours.'),
        ('projects', 'at', 'When the source last changed the project, by its own clock, in whole seconds. NULL: a stub. API: at.'),
        ('projects_current projects_history projects_enriched', 'at', 'When the source last changed the project, by its own clock, in whole seconds. API: at.'),

        ('clients projects', 'extra', 'Fields of the source that have no column, as a JSON object; _sanitized in it: what PostgreSQL cannot store was replaced, or a text was cut. NULL: none.'),
        ('workspaces', 'deleted_at', 'When it was found deleted. NULL: live; so far always, for of a workspace that is no longer listed nobody can tell whether it was deleted. workspace_freshness.tokens = 0 there.'),
        ('clients projects', 'deleted_at', 'When enough pulls agreed that it is gone at the source. NULL: live.'),
        ('workspaces', '_is_stub', 'Whether only the id is known.'),
        ('clients', '_is_stub', 'Whether only the id is known: a project names it, and no token could see it yet.'),
        ('projects', '_is_stub', 'Whether only the id is known; so far never.'),
        ('clients projects', '_change_kind', 'How the current version began: insert, update or reappear.'),
        ('workspaces clients projects clients_current projects_current', '_first_seen_at', 'When a pull first saw the id, by the clock of this database.'),
        ('workspaces clients projects clients_current projects_current', '_valid_from', 'Since when the row is as it is: when the pull that saw it so began, by the clock of this database.'),
        ('workspaces clients projects clients_current projects_current', '_synced_at', 'When the pull that last wrote the row began. No freshness: an unchanged row is not rewritten; see workspace_freshness.'),
        ('workspaces clients projects clients_current projects_current', '_pull_id', 'The pull that last wrote the row. Numbers grow; rows of one workspace with the same number were committed together.'),

        ('clients_current clients_history projects_current projects_history projects_enriched', 'at_date', 'The day of at, in UTC.'),
        ('projects_current projects_history projects_enriched', 'created_date', 'The day of created_at, in UTC. NULL: as created_at.'),
        ('clients_current projects_current', '_first_seen_date', 'The day of _first_seen_at, in UTC.'),
        ('clients_history projects_history', 'valid_from', 'Start of the version: when the pull that saw it began, by the clock of this database.'),
        ('clients_history projects_history', 'valid_to', 'End of the version, which it does not include. NULL: it is open.'),
        ('clients_history projects_history', 'is_current', 'Whether the version is open; of a live row exactly one is.'),
        ('clients_history projects_history', 'change_kind', 'How the version began: insert (seen for the first time), update, or reappear (after a deletion).'),
        ('clients_history projects_history', 'end_kind', 'How the version ended: update or delete. NULL: it is open.'),
        ('clients_history projects_history', 'valid_from_date', 'The day of valid_from, in UTC.'),
        ('clients_history projects_history', 'valid_to_date', 'The day of valid_to, in UTC; the version held for a part of it. NULL: it is open.'),

        ('projects_enriched', 'workspace_name', 'Name of the workspace. NULL: a server of API v8 that lists no workspaces.'),
        ('projects_enriched', 'client_name', 'Name of the client. NULL: the project has none, or no token can see it.'),
        ('projects_enriched', 'effective_rate', 'The hourly rate that applies: the project''s, else its client''s. NULL: neither is set or visible.'),
        ('projects_enriched', 'effective_currency', 'Currency of effective_rate, from the same row as the rate; without a rate that of the project, else of its client. NULL: that row names none.'),

        ('sync_status', 'token', 'Name of the token in the configuration; the token itself is nowhere.'),
        ('sync_status', 'status', 'ok, running, late, rate_limited, rejected, deletes_blocked, failed, or disabled (no longer configured).'),
        ('sync_status', 'since', 'Since when the status holds.'),
        ('sync_status', 'last_attempt_at', 'When the last pull began, whatever came of it. NULL: there was none.'),
        ('sync_status', 'last_success_at', 'When the last pull that succeeded began: what the token shows is as of then. NULL: none succeeded yet.'),
        ('sync_status', 'staleness_seconds', 'Seconds since last_success_at. NULL: none succeeded yet.'),
        ('sync_status', 'next_due_at', 'When the next pull is due. NULL: disabled.'),
        ('sync_status', 'rows', 'Clients and projects in the token''s last pull.'),
        ('sync_status', 'deletes_held', 'Deletions that wait for a person: syncd deletes list.'),
        ('sync_status', 'quarantined', 'Records of the source that could not be stored: syncd quarantine list.'),
        ('sync_status', 'quota_remaining', 'Requests left of the hourly quota, as the source last said. NULL: it did not say.'),
        ('sync_status', 'last_error', 'Why the last pull failed. NULL: it succeeded.'),
        ('sync_status', 'action_required', 'What a person should do. NULL: nothing.'),

        ('workspace_freshness', 'workspace_id', 'Id of the workspace.'),
        ('workspace_freshness', 'workspace_name', 'Name of the workspace. NULL: a stub.'),
        ('workspace_freshness', 'last_success_at', 'Every row of the workspace is as of this instant or later: the oldest last success of the tokens that look at it. Where none does, rows are frozen as of it. NULL: nobody has seen its rows yet.'),
        ('workspace_freshness', 'staleness_seconds', 'Seconds since last_success_at. NULL: as last_success_at.'),
        ('workspace_freshness', 'last_full_at', 'When the last pull that listed all of it without a gap began. What the source changes without telling is as of then: actual_seconds, a status that turned by date. NULL: there was none.'),
        ('workspace_freshness', 'token', 'The token that last_success_at is of; sync_status tells how it does. NULL: no token looks at the workspace.'),
        ('workspace_freshness', 'tokens', 'Tokens that look at the workspace. 0: none any more, its rows are frozen.'),
        ('workspace_freshness', 'deletes_held', 'Deletions of its rows that wait for a person: so many rows may be gone at the source.'),
        ('workspace_freshness', 'quarantined', 'Records of it that could not be stored: so many rows may be missing.')
    ) AS c (relations, column_name, comment) LOOP
        FOREACH relation IN ARRAY string_to_array(note.relations, ' ') LOOP
            EXECUTE format('COMMENT ON COLUMN toggl.%I.%I IS %L', relation, note.column_name, note.comment);
        END LOOP;
    END LOOP;
END
$comments$;

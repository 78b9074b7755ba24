-- A comment on every relation and column that BI sees. One sentence per fact: (relations it holds for, column, comment).
-- Views do not inherit the comments of their tables, so each list names the views too.

DO $comments$
DECLARE
    relation text;
    note record;
BEGIN
    FOR note IN SELECT * FROM (VALUES
        ('clients', 'TABLE', 'Clients of all mirrored workspaces, tombstones and stubs included. Reports usually want clients_current.'),
        ('projects', 'TABLE', 'Projects of all mirrored workspaces, archived ones, tombstones and stubs included. Reports usually want projects_current.'),
        ('workspaces', 'TABLE', 'Workspaces that at least one token sees.'),
        ('clients_current', 'VIEW', 'Clients that exist now: no tombstones, no stubs.'),
        ('projects_current', 'VIEW', 'Projects that exist now, archived ones included (active = false): no tombstones, no stubs.'),
        ('clients_history', 'VIEW', 'Every version of every client that a pull saw: half-open [valid_from, valid_to), no gaps while live, no overlaps. As of t: valid_from <= t AND (valid_to > t OR valid_to IS NULL).'),
        ('projects_history', 'VIEW', 'Every version of every project that a pull saw: half-open [valid_from, valid_to), no gaps while live, no overlaps. As of t: valid_from <= t AND (valid_to > t OR valid_to IS NULL).'),
        ('projects_enriched', 'VIEW', 'Current projects with the names of client and workspace and the rate that applies.'),
        ('sync_status', 'VIEW', 'One row per token: how fresh its data is and what needs a person.')
    ) AS r (relation, kind, comment) LOOP
        EXECUTE format('COMMENT ON %s toggl.%I IS %L', note.kind, note.relation, note.comment);
    END LOOP;

    FOR note IN SELECT * FROM (VALUES
        ('workspaces', 'id', 'Id of the workspace. API: id (wid in clients and projects).'),
        ('workspaces', 'name', 'Name; NULL for a stub. API: name.'),

        ('clients clients_current clients_history', 'id', 'Id of the client. API: id.'),
        ('clients clients_current clients_history', 'workspace_id', 'Workspace the client belongs to; never changes. API: wid.'),
        ('clients clients_current clients_history', 'name', 'Name; NULL for a stub. API: name.'),
        ('clients clients_current clients_history', 'notes', 'Notes; NULL where none are set. API: notes.'),
        ('clients clients_current clients_history', 'hourly_rate', 'Rate per hour in `currency`; NULL = not set or not visible, 0 = zero. API: hrate (paid workspaces, v8).'),
        ('clients clients_current clients_history', 'currency', 'ISO 4217 code of hourly_rate. API: cur (paid workspaces, v8).'),
        ('clients clients_current clients_history', 'archived', 'Archived; NULL where the API version does not tell (v8). API: archived.'),
        ('clients clients_current clients_history projects projects_current projects_history projects_enriched', 'at', 'When the source last changed the row, by the source''s clock, whole seconds. API: at.'),

        ('projects projects_current projects_history projects_enriched', 'id', 'Id of the project. API: id.'),
        ('projects projects_current projects_history projects_enriched', 'workspace_id', 'Workspace the project belongs to. API: wid, workspace_id.'),
        ('projects projects_current projects_history projects_enriched', 'client_id', 'Client the project belongs to; NULL = none. API: cid, client_id.'),
        ('projects projects_current projects_history projects_enriched', 'name', 'Name; NULL for a stub. API: name.'),
        ('projects projects_current projects_history projects_enriched', 'active', 'false = archived. API: active.'),
        ('projects projects_current projects_history projects_enriched', 'is_private', 'Visible to its members only. API: is_private.'),
        ('projects projects_current projects_history projects_enriched', 'billable', 'Time on it is billable by default. API: billable.'),
        ('projects projects_current projects_history projects_enriched', 'template', 'A template for new projects. API: template.'),
        ('projects projects_current projects_history projects_enriched', 'color', 'Colour: a palette number (v8) or #rrggbb (v9). API: color.'),
        ('projects projects_current projects_history projects_enriched', 'currency', 'ISO 4217 code of rate and fixed_fee. API: currency.'),
        ('projects projects_current projects_history projects_enriched', 'rate', 'Rate per hour in `currency`; NULL = not set or not visible, 0 = zero. API: rate.'),
        ('projects projects_current projects_history projects_enriched', 'fixed_fee', 'Fixed fee in `currency`. API: fixed_fee.'),
        ('projects projects_current projects_history projects_enriched', 'estimated_seconds', 'Estimated effort in seconds. API: estimated_seconds, or 3600 x estimated_hours.'),
        ('projects projects_current projects_history projects_enriched', 'auto_estimates', 'The estimate is the sum of the estimates of its tasks. API: auto_estimates.'),
        ('projects projects_current projects_history projects_enriched', 'recurring', 'Starts anew every period. API: recurring.'),
        ('projects projects_current projects_history projects_enriched', 'status', 'upcoming, active, ended, archived, deleted; may change by date alone. API: status.'),
        ('projects projects_current projects_history projects_enriched', 'start_date', 'First day. API: start_date.'),
        ('projects projects_current projects_history projects_enriched', 'end_date', 'Last day; NULL = open. API: end_date.'),
        ('projects projects_current projects_history projects_enriched', 'created_at', 'When it was created, by the source''s clock. API: created_at.'),
        ('projects projects_current projects_history projects_enriched', 'actual_seconds', 'Tracked time in seconds when the row was last written; moves without a new version. API: actual_seconds, or 3600 x actual_hours.'),
        ('projects_enriched', 'workspace_name', 'Name of the workspace; NULL for a stub.'),
        ('projects_enriched', 'client_name', 'Name of the client; NULL = no client, or one that no token can see.'),
        ('projects_enriched', 'effective_rate', 'The project''s rate, else its client''s hourly rate; NULL = neither is set.'),
        ('projects_enriched', 'effective_currency', 'Currency of effective_rate, from the same row as the rate. Never sum across currencies.'),

        ('clients projects', 'extra', 'Fields the API sent that have no column of their own, as JSON; NULL = none. `_sanitized`: characters that PostgreSQL cannot store were replaced.'),
        ('workspaces clients projects', 'deleted_at', 'Tombstone: when a pull confirmed that the row is gone; NULL = live.'),
        ('workspaces clients projects', '_is_stub', 'true = only the id is known: a parent we were told of but could not see.'),
        ('clients projects', '_change_kind', 'How the current version began: insert, update or reappear.'),
        ('workspaces clients projects clients_current projects_current', '_first_seen_at', 'When a pull first saw the id, by this database''s clock.'),
        ('workspaces clients projects clients_current projects_current', '_valid_from', 'Start of the current version, by this database''s clock.'),
        ('workspaces clients projects clients_current projects_current', '_synced_at', 'Start of the pull that last wrote the row. For freshness ask sync_status: an unchanged row is not rewritten.'),
        ('workspaces clients projects clients_current projects_current', '_pull_id', 'The pull that last wrote the row.'),

        ('clients_history projects_history', 'valid_from', 'Start of the version: when the pull that saw it began, by this database''s clock.'),
        ('clients_history projects_history', 'valid_to', 'End of the version, exclusive; NULL = it is the current one.'),
        ('clients_history projects_history', 'is_current', 'true for the open version of a live row.'),
        ('clients_history projects_history', 'change_kind', 'How the version began: insert, update or reappear.'),
        ('clients_history projects_history', 'end_kind', 'How the version ended: update or delete; NULL = open.'),

        ('sync_status', 'token', 'Name of the token in the configuration.'),
        ('sync_status', 'status', 'ok, running, late, rate_limited, rejected, deletes_blocked, failed or disabled.'),
        ('sync_status', 'since', 'Since when the status holds.'),
        ('sync_status', 'last_attempt_at', 'Start of the last pull, whatever came of it.'),
        ('sync_status', 'last_success_at', 'Start of the last pull that succeeded: the token''s rows are as of this instant.'),
        ('sync_status', 'staleness_seconds', 'Seconds since last_success_at; NULL = never succeeded.'),
        ('sync_status', 'next_due_at', 'When the next pull is due; NULL = disabled.'),
        ('sync_status', 'rows', 'Clients and projects in the token''s last snapshot.'),
        ('sync_status', 'deletes_held', 'Deletions that wait for a person.'),
        ('sync_status', 'quarantined', 'Records that could not be stored.'),
        ('sync_status', 'quota_remaining', 'Requests left in the current hour, as the API last said; NULL = it did not.'),
        ('sync_status', 'last_error', 'What the last failed pull died of; NULL after a success.'),
        ('sync_status', 'action_required', 'What a person should do; NULL = nothing.')
    ) AS c (relations, column_name, comment) LOOP
        FOREACH relation IN ARRAY string_to_array(note.relations, ' ') LOOP
            EXECUTE format('COMMENT ON COLUMN toggl.%I.%I IS %L', relation, note.column_name, note.comment);
        END LOOP;
    END LOOP;
END
$comments$;

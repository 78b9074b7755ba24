-- A comment on every column of the machinery, too: whoever looks into it at night has the catalogue only.

DO $comments$
DECLARE
    note record;
BEGIN
    FOR note IN SELECT * FROM (VALUES
        ('migrations', 'version', 'Number of the file.'),
        ('migrations', 'name', 'Name of the file, without its ending.'),
        ('migrations', 'checksum', 'SHA-256 of its lines: a file that was edited afterwards is refused.'),
        ('migrations', 'applied_at', 'When it was committed.'),

        ('tokens', 'name', 'Name in the configuration: all that is ever stored of a token.'),
        ('tokens', 'rank', 'Place in the configuration: of two tokens with equal rights in a workspace the lower one owns its rows.'),
        ('tokens', 'enabled', 'Whether it is configured; the row of one that no longer is stays.'),
        ('tokens', 'pull_interval', 'Between two pulls, as configured.'),
        ('tokens', 'running_until', 'Until when the pull at work may take. NULL: none is at work.'),
        ('tokens', 'status', 'What the last pull came to.'),
        ('tokens', 'status_since', 'Since when every pull has come to that.'),
        ('tokens', 'last_attempt_at', 'When the last pull began. NULL: there was none.'),
        ('tokens', 'last_success_at', 'When the last pull that succeeded began. NULL: there was none.'),
        ('tokens', 'last_full_at', 'When the last pull that listed and compared everything began. NULL: the next one does.'),
        ('tokens', 'next_due_at', 'When the next pull is due.'),
        ('tokens', 'failures', 'Failed pulls in a row.'),
        ('tokens', 'row_count', 'Clients and projects in the last snapshots.'),
        ('tokens', 'request_count', 'Requests of the last pull. NULL: there was none.'),
        ('tokens', 'quota_remaining', 'Requests left of the hourly quota, as the source last said. NULL: it did not say.'),
        ('tokens', 'last_error', 'Why the last pull failed. NULL: it succeeded.'),
        ('tokens', 'action_required', 'What a person should do. NULL: nothing.'),

        ('scopes', 'token', 'Who looks.'),
        ('scopes', 'workspace_id', 'At which workspace.'),
        ('scopes', 'resource', 'At clients or at projects.'),
        ('scopes', 'is_admin', 'Whether the token''s owner administers the workspace: administrators own rows before others.'),
        ('scopes', 'strategy', 'How projects were listed: by workspace, or by client. Empty: another account is behind the token since.'),
        ('scopes', 'held_hash', 'Stands for exactly the ids in held_ids. NULL: none are held.'),
        ('scopes', 'held_reason', 'Why the guard holds them. NULL: none are held.'),
        ('scopes', 'held_live', 'Live rows of the scope when they were held. NULL: none are held.'),
        ('scopes', 'held_since', 'When this set was held first. NULL: none are held.'),
        ('scopes', 'seen_at', 'When the pull that last wrote the scope began; unchanged pulls leave it.'),
        ('scopes', 'complete_at', 'When the last pull that proved absence here began. NULL: none did.'),
        ('scopes', 'pull_id', 'The pull that last wrote the scope.'),

        ('decisions', 'token', 'Token of the scope.'),
        ('decisions', 'workspace_id', 'Workspace of the scope.'),
        ('decisions', 'resource', 'Resource of the scope.'),
        ('decisions', 'hash', 'Stands for exactly the ids that were decided about.'),
        ('decisions', 'decision', 'approve: they become tombstones at the next pull. reject: keep quiet about this set.'),
        ('decisions', 'decided_at', 'When.'),
        ('decisions', 'expires_at', 'Until when it holds.'),

        ('pulls', 'id', 'Number of the pull; the _pull_id of what it wrote.'),
        ('pulls', 'token', 'Whose pull it was.'),
        ('pulls', 'began_at', 'When it began, by the clock of this database.'),
        ('pulls', 'finished_at', 'When it ended. NULL: it is at work, or died.'),
        ('pulls', 'result', 'changed, or partial: something could not be read. NULL: it did not end.'),
        ('pulls', 'counts', 'Rows inserted, updated and so on, by resource. NULL: it did not end.'),

        ('quarantine', 'token', 'Who was sent the record.'),
        ('quarantine', 'resource', 'What it should have been.'),
        ('quarantine', 'workspace_id', 'Its workspace. NULL: it does not say.'),
        ('quarantine', 'reason', 'Why it could not be stored, as a code.'),
        ('quarantine', 'detail', 'Why it could not be stored, in words.'),
        ('quarantine', 'body', 'The record as it came, cut at 8,192 characters, secrets masked.'),
        ('quarantine', 'first_seen_at', 'When it was put aside.'),
        ('quarantine', 'last_seen_at', 'When it came the last time.'),
        ('quarantine', 'released_at', 'When it no longer came, or came well. NULL: it is in quarantine.'),
        ('quarantine', 'pull_id', 'The pull that it came with last.'),

        ('quotas', 'resets_at', 'When a new hour begins.'),
        ('quotas', 'updated_at', 'When the source last told.'),

        ('client_versions', 'pull_id', 'The pull that ended the version.'),
        ('project_versions', 'pull_id', 'The pull that ended the version.')
    ) AS c (relation, column_name, comment) LOOP
        EXECUTE format('COMMENT ON COLUMN syncd.%I.%I IS %L', note.relation, note.column_name, note.comment);
    END LOOP;

    -- A superseded version means what its view says, and what its table says where the view does not show it.
    FOR note IN
        SELECT v.attrelid::regclass AS versions, v.attname AS column_name,
               coalesce(col_description(history.oid, h.attnum), col_description(main.oid, m.attnum)) AS comment
        FROM (VALUES ('syncd.client_versions', 'toggl.clients_history', 'toggl.clients'),
                     ('syncd.project_versions', 'toggl.projects_history', 'toggl.projects')) AS r (versions, history, main)
        JOIN pg_attribute v ON v.attrelid = r.versions::regclass AND v.attnum > 0 AND v.attname <> 'pull_id'
        JOIN pg_class history ON history.oid = r.history::regclass
        JOIN pg_class main ON main.oid = r.main::regclass
        LEFT JOIN pg_attribute h ON h.attrelid = history.oid AND h.attname = v.attname
        LEFT JOIN pg_attribute m ON m.attrelid = main.oid AND m.attname = v.attname
    LOOP
        EXECUTE format('COMMENT ON COLUMN %s.%I IS %L', note.versions, note.column_name, note.comment);
    END LOOP;
END
$comments$;

COMMENT ON SEQUENCE syncd.pull_ids IS 'Numbers pulls: of two pulls of a token the one with the greater number began last.';

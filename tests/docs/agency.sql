-- A small agency with a history, for the answers in docs/queries.md. It is 2025-07-01 12:00 UTC.

INSERT INTO toggl.workspaces (id, name, _first_seen_at, _valid_from, _synced_at, _pull_id)
VALUES (1, 'Studio', '2024-11-01', '2024-11-01', '2024-11-01', 1), (2, 'Labs', '2025-02-01', '2025-02-01', '2025-02-01', 1);

INSERT INTO toggl.clients (id, workspace_id, name, hourly_rate, currency, archived, at, deleted_at, _first_seen_at,
                           _valid_from, _synced_at, _pull_id, _is_stub, _change_kind)
SELECT id, workspace_id, name, rate, currency, archived, CASE WHEN name IS NOT NULL THEN since END, deleted_at, first_seen_at,
       since, coalesce(deleted_at, since), 1, name IS NULL, kind
FROM (VALUES
    (10, 1, 'Aster',    90, 'EUR', false, NULL::timestamptz,       timestamptz '2025-01-05 09:00', timestamptz '2025-06-26 10:00', 'update'),
    (11, 1, 'Birch',    60, 'EUR', false, NULL,                    '2024-11-02 09:00',             '2024-11-02 09:00',             'insert'),
    (12, 1, 'Cedar',  NULL, NULL,  true,  NULL,                    '2024-12-01 09:00',             '2025-05-20 15:00',             'update'),
    (13, 2, 'Dahlia',  120, 'USD', false, '2025-06-20 18:00',      '2025-02-01 09:00',             '2025-02-01 09:00',             'insert'),
    (14, 2, NULL,     NULL, NULL,  NULL,  NULL,                    '2025-05-05 10:00',             '2025-05-05 10:00',             'insert'),
    (15, 2, 'Elm',    NULL, NULL,  false, NULL,                    '2025-04-01 09:00',             '2025-04-01 09:00',             'insert')
) c (id, workspace_id, name, rate, currency, archived, deleted_at, first_seen_at, since, kind);

INSERT INTO syncd.client_versions (id, workspace_id, name, hourly_rate, currency, archived, at, valid_from, valid_to,
                                   change_kind, end_kind, pull_id)
SELECT id, workspace_id, name, rate, currency, false, valid_from, valid_from, valid_to, change_kind, end_kind, 1
FROM (VALUES
    (10, 1, 'Asterix',  80, 'EUR', timestamptz '2025-01-05 09:00', timestamptz '2025-03-10 08:00', 'insert', 'update'),
    (10, 1, 'Aster',    80, 'EUR', '2025-03-10 08:00',             '2025-06-26 10:00',             'update', 'update'),
    (12, 1, 'Cedar',  NULL, NULL,  '2024-12-01 09:00',             '2025-05-20 15:00',             'insert', 'update'),
    (13, 2, 'Dahlia',  120, 'USD', '2025-02-01 09:00',             '2025-06-20 18:00',             'insert', 'delete')
) v (id, workspace_id, name, rate, currency, valid_from, valid_to, change_kind, end_kind);

INSERT INTO toggl.projects (id, workspace_id, client_id, name, active, billable, rate, currency, created_at, at, deleted_at,
                            _first_seen_at, _valid_from, _synced_at, _pull_id, _change_kind)
SELECT id, workspace_id, client_id, name, active, billable, rate, currency, created_at, since, deleted_at,
       created_at, since, coalesce(deleted_at, since), 1, kind
FROM (VALUES
    (20, 1, 10,   'Website',  true,  true,  NULL, 'EUR', timestamptz '2025-01-10 12:00', timestamptz '2025-01-10 12:00', 'insert',   NULL::timestamptz),
    (21, 1, 10,   'App',      true,  true,  75,   'EUR', '2025-01-20 12:00',             '2025-06-25 09:00',             'update',   NULL),
    (22, 1, 11,   'Brand',    false, true,  NULL, 'EUR', '2024-11-10 12:00',             '2025-05-02 09:00',             'update',   NULL),
    (23, 1, NULL, 'Internal', true,  false, NULL, 'EUR', '2024-11-12 12:00',             '2024-11-12 12:00',             'insert',   NULL),
    (24, 1, 12,   'Audit',    false, true,  NULL, 'EUR', '2025-02-03 12:00',             '2025-05-20 15:00',             'update',   NULL),
    (25, 2, 13,   'Launch',   true,  true,  NULL, 'USD', '2025-02-15 12:00',             '2025-02-15 12:00',             'insert',   '2025-06-20 18:00'),
    (26, 2, 14,   'Secret',   true,  true,  100,  'USD', '2025-05-05 10:00',             '2025-05-05 10:00',             'insert',   NULL),
    (27, 2, 15,   'Research', true,  true,  NULL, 'USD', '2025-05-18 12:00',             '2025-06-27 09:00',             'reappear', NULL),
    (28, 1, NULL, 'Garden',   true,  true,  50,   'CHF', '2025-06-27 12:00',             '2025-06-27 12:00',             'insert',   NULL)
) p (id, workspace_id, client_id, name, active, billable, rate, currency, created_at, since, kind, deleted_at);

INSERT INTO syncd.project_versions (id, workspace_id, client_id, name, active, billable, rate, currency, created_at, at,
                                    valid_from, valid_to, change_kind, end_kind, pull_id)
SELECT v.id, p.workspace_id, v.client_id, p.name, true, p.billable, v.rate, p.currency, p.created_at, v.valid_from,
       v.valid_from, v.valid_to, v.change_kind, v.end_kind, 1
FROM (VALUES
    (21, 11, 70,   timestamptz '2025-01-20 12:00', timestamptz '2025-04-15 09:00', 'insert', 'update'),
    (21, 10, 70,   '2025-04-15 09:00',             '2025-06-25 09:00',             'update', 'update'),
    (22, 11, NULL, '2024-11-10 12:00',             '2025-05-02 09:00',             'insert', 'update'),
    (24, 12, NULL, '2025-02-03 12:00',             '2025-05-20 15:00',             'insert', 'update'),
    (25, 13, NULL, '2025-02-15 12:00',             '2025-06-20 18:00',             'insert', 'delete'),
    (27, 15, NULL, '2025-05-18 12:00',             '2025-05-30 09:00',             'insert', 'delete')
) v (id, client_id, rate, valid_from, valid_to, change_kind, end_kind)
JOIN toggl.projects p USING (id);

INSERT INTO toggl.tags (id, workspace_id, name, at, deleted_at, _first_seen_at, _valid_from, _synced_at, _pull_id, _change_kind)
SELECT id, 1, name, since, deleted_at, first_seen_at, since, coalesce(deleted_at, since), 1, kind
FROM (VALUES
    (30, 'invoiced', timestamptz '2024-11-05 09:00', timestamptz '2025-04-20 09:00', NULL::timestamptz,  'update'),
    (31, 'rework',   '2025-02-10 09:00',             '2025-02-10 09:00',             '2025-06-11 09:00', 'insert')
) t (id, name, first_seen_at, since, deleted_at, kind);
INSERT INTO syncd.tag_versions (id, workspace_id, name, at, valid_from, valid_to, change_kind, end_kind, pull_id)
VALUES (30, 1, 'billed', '2024-11-05 09:00', '2024-11-05 09:00', '2025-04-20 09:00', 'insert', 'update', 1),
       (31, 1, 'rework', '2025-02-10 09:00', '2025-02-10 09:00', '2025-06-11 09:00', 'insert', 'delete', 1);

INSERT INTO syncd.tokens (name, rank, fingerprint, pull_interval, status, status_since, last_attempt_at, last_success_at,
                          next_due_at, row_count, last_error)
VALUES ('anna', 0, 'a', '5 minutes', 'ok', '2025-06-01', '2025-07-01 11:58', '2025-07-01 11:58', '2025-07-01 12:03', 9, NULL),
       ('bruno', 1, 'b', '5 minutes', 'failed', '2025-07-01 09:05', '2025-07-01 11:55', '2025-07-01 09:00', '2025-07-01 12:00',
        4, 'HTTP 503');
INSERT INTO syncd.scopes (token, workspace_id, resource, is_admin, strategy, ids, seen_at, complete_at, pull_id)
SELECT token, workspace_id, resource, true, 'workspace', '{}', '2025-07-01', '2025-07-01', 1
FROM (VALUES ('anna', 1), ('bruno', 2)) s (token, workspace_id), (VALUES ('client'), ('project')) r (resource);
INSERT INTO syncd.quarantine (token, resource, record_key, workspace_id, reason, detail, body, first_seen_at, last_seen_at, pull_id)
SELECT 'bruno', 'project', id, 2, 'malformed', 'at', '{}', '2025-06-30', '2025-07-01', 1 FROM (VALUES ('91'), ('92')) q (id);

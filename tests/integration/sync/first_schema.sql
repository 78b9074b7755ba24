-- What a program of the first schema left behind, in March 2025: every kind of row that it knew.
--
-- Workspace 777 is seen by t0, its administrator, and by t1, a member who lists projects client by client; t0 alone sees
-- 778, where the guard holds back deletions: those of clients are approved, those of projects nobody has decided about.
-- 780 was mirrored by a token that is not configured any more.

INSERT INTO syncd.tokens (name, rank, fingerprint, pull_interval, pull_id, status, status_since, last_attempt_at,
                          last_success_at, last_full_at, next_due_at, failures, digest, compare_no, workspace_ids,
                          row_count, request_count, last_error, action_required)
VALUES ('t0', 0, 'fp t0', '5 min', 40, 'ok', '2025-03-01Z', '2025-03-31Z', '2025-03-31Z', '2025-03-31Z', '2025-03-31Z', 0,
        '\x8ac369d6076b6551e55e183dab4131b0', 3, '{777, 778}', 45, 4, NULL, NULL),
       ('t1', 1, 'fp t1', '5 min', 39, 'rejected', '2025-03-30Z', '2025-03-31Z', '2025-03-30Z', '2025-03-30Z', '2025-03-31Z',
        7, NULL, 9, '{777}', 11, 9, 'the API refused the token (403)', 'replace the token'),
       ('former', 2, 'fp former', '1 hour', 30, 'ok', '2025-02-01Z', '2025-02-20Z', '2025-02-20Z', '2025-02-20Z', '2025-02-20Z',
        0, '\x447e61db9e3dd052d4323cce3ea9b567', 0, '{780}', 2, 3, NULL, NULL);
SELECT setval('syncd.pull_ids', 40);

INSERT INTO syncd.pulls (id, token, began_at, finished_at, result, counts)
SELECT id, CASE id WHEN 5 THEN 'former' ELSE 't0' END, began_at, began_at + interval '2 s', 'changed',
       '{"client": {"inserted": 1}, "project": {"inserted": 1}}'
FROM (VALUES (1, timestamptz '2025-02-01Z'), (5, '2025-02-02Z'), (10, '2025-02-10Z'), (20, '2025-02-20Z'), (30, '2025-03-20Z'))
     AS p (id, began_at);

INSERT INTO toggl.workspaces (id, name, _first_seen_at, _valid_from, _synced_at, _pull_id)
VALUES (777, 'My Company Inc', '2025-02-01Z', '2025-02-01Z', '2025-02-01Z', 1),
       (778, 'Their Company', '2025-02-01Z', '2025-02-10Z', '2025-02-10Z', 10),
       (780, 'Left Company', '2025-02-02Z', '2025-02-02Z', '2025-02-02Z', 5);

INSERT INTO toggl.clients (id, workspace_id, name, notes, hourly_rate, currency, at, extra, deleted_at, _first_seen_at,
                           _valid_from, _synced_at, _pull_id, _is_stub, _change_kind)
SELECT id, workspace_id, name, notes, hourly_rate, currency, at, extra::jsonb, deleted_at, '2025-02-01Z', valid_from,
       valid_from, pull_id, name IS NULL, change_kind
FROM (VALUES
    (1, 777, 'Steady', 'Contact: reception', 50, 'EUR', timestamptz '2025-01-01Z', NULL, NULL::timestamptz, timestamptz '2025-02-01Z', 1, 'insert'),
    (2, 777, 'Renamed twice', NULL, NULL, NULL, '2025-02-19Z', NULL, NULL, '2025-02-20Z', 20, 'update'),
    (3, 777, 'Gone', NULL, NULL, NULL, '2025-01-01Z', NULL, '2025-02-10Z', '2025-02-01Z', 10, 'insert'),
    (4, 777, 'Back', NULL, NULL, NULL, '2025-02-19Z', NULL, NULL, '2025-02-20Z', 20, 'reappear'),
    (5, 777, 'Missing', NULL, NULL, NULL, '2025-01-01Z', '{"planned": true}', NULL, '2025-02-01Z', 1, 'insert'),
    (6, 777, 'Blinking', NULL, NULL, NULL, '2025-01-01Z', NULL, NULL, '2025-02-01Z', 1, 'insert'),
    (7, 777, NULL, NULL, NULL, NULL, NULL, NULL, NULL, '2025-02-01Z', 1, 'insert'),
    (8, 777, 'Newer than the source', NULL, NULL, NULL, '2025-02-19Z', NULL, NULL, '2025-02-20Z', 20, 'update'),
    (901, 780, 'Frozen', NULL, NULL, NULL, '2025-01-01Z', NULL, NULL, '2025-02-02Z', 5, 'insert')
) AS c (id, workspace_id, name, notes, hourly_rate, currency, at, extra, deleted_at, valid_from, pull_id, change_kind);
INSERT INTO toggl.clients (id, workspace_id, name, at, _first_seen_at, _valid_from, _synced_at, _pull_id, _change_kind)
SELECT id, id / 100 + 770, 'Client ' || id, '2025-01-01Z', '2025-02-01Z', '2025-02-01Z', '2025-02-01Z', 1, 'insert'
FROM (SELECT generate_series(711, 716) UNION ALL SELECT generate_series(801, 812)) AS c (id);

INSERT INTO syncd.client_versions (id, workspace_id, name, notes, at, valid_from, valid_to, change_kind, end_kind, pull_id)
VALUES (2, 777, 'Named', 'first', '2025-01-01Z', '2025-02-01Z', '2025-02-10Z', 'insert', 'update', 10),
       (2, 777, 'Renamed', NULL, '2025-02-09Z', '2025-02-10Z', '2025-02-20Z', 'update', 'update', 20),
       (3, 777, 'Gone', NULL, '2025-01-01Z', '2025-02-01Z', '2025-02-10Z', 'insert', 'delete', 10),
       (4, 777, 'Back', NULL, '2025-01-01Z', '2025-02-01Z', '2025-02-10Z', 'insert', 'delete', 10),
       (8, 777, 'As at the source', NULL, '2025-01-01Z', '2025-02-01Z', '2025-02-20Z', 'insert', 'update', 20);

INSERT INTO toggl.projects (id, workspace_id, client_id, name, active, is_private, billable, color, rate, created_at, at,
                            deleted_at, _first_seen_at, _valid_from, _synced_at, _pull_id, _change_kind)
VALUES (11, 777, 1, 'Website', true, false, true, '5', 12.5, '2025-01-01Z', '2025-01-01Z', NULL, '2025-02-01Z', '2025-02-01Z', '2025-02-01Z', 1, 'insert'),
       (21, 777, 2, 'Archived', false, false, false, NULL, NULL, '2025-01-01Z', '2025-02-09Z', NULL, '2025-02-01Z', '2025-02-10Z', '2025-02-10Z', 10, 'update'),
       (31, 777, 3, 'Gone', true, false, false, NULL, NULL, '2025-01-01Z', '2025-01-01Z', '2025-02-10Z', '2025-02-01Z', '2025-02-01Z', '2025-02-10Z', 10, 'insert'),
       (41, 777, NULL, 'Of no client', true, true, false, NULL, NULL, '2025-01-01Z', '2025-01-01Z', NULL, '2025-02-01Z', '2025-02-01Z', '2025-02-01Z', 1, 'insert'),
       (71, 777, 7, 'Of a stub', true, false, false, NULL, NULL, '2025-01-01Z', '2025-01-01Z', NULL, '2025-02-01Z', '2025-02-01Z', '2025-02-01Z', 1, 'insert'),
       (911, 780, 901, 'Frozen', true, false, false, NULL, NULL, '2025-01-01Z', '2025-01-01Z', NULL, '2025-02-02Z', '2025-02-02Z', '2025-02-02Z', 5, 'insert');
INSERT INTO toggl.projects (id, workspace_id, client_id, name, active, is_private, billable, created_at, at, _first_seen_at,
                            _valid_from, _synced_at, _pull_id, _change_kind)
SELECT id, 778, 812, 'Project ' || id, true, false, false, '2025-01-01Z', '2025-01-01Z', '2025-02-01Z', '2025-02-01Z', '2025-02-01Z', 1, 'insert'
FROM generate_series(851, 862) AS p (id);

INSERT INTO syncd.project_versions (id, workspace_id, client_id, name, active, is_private, billable, created_at, at,
                                    valid_from, valid_to, change_kind, end_kind, pull_id)
VALUES (21, 777, 2, 'Archived', true, false, false, '2025-01-01Z', '2025-01-01Z', '2025-02-01Z', '2025-02-10Z', 'insert', 'update', 10),
       (31, 777, 3, 'Gone', true, false, false, '2025-01-01Z', '2025-01-01Z', '2025-02-01Z', '2025-02-10Z', 'insert', 'delete', 10);

INSERT INTO syncd.scopes (token, workspace_id, resource, is_admin, strategy, ids, absent, regressions, incomplete, seen_at,
                          complete_at, lost_at, pull_id)
VALUES ('t0', 777, 'client', true, 'workspace', '{1, 2, 4, 8, 711, 712, 713, 714, 715, 716}',
        '[{"ids": [5, 6], "since": "2025-03-20T00:00:00Z", "last": "2025-03-20T00:00:00Z", "count": 1, "is_proven": false}]',
        '{"8": {"digest": "00deaf00deaf00de", "count": 1}}', '{}', '2025-03-31Z', '2025-03-31Z', NULL, 40),
       ('t0', 777, 'project', true, 'workspace', '{11, 21, 41, 71}', '[]', '{}', '{}', '2025-03-31Z', '2025-03-31Z', NULL, 40),
       ('t0', 780, 'client', false, 'workspace', '{901}', '[]', '{}', '{}', '2025-02-20Z', '2025-02-20Z', '2025-03-01Z', 25),
       ('t0', 780, 'project', false, 'client', '{911}', '[]', '{}', '{http_403}', '2025-02-20Z', NULL, '2025-03-01Z', 25),
       ('t1', 777, 'client', false, 'workspace', '{1, 2, 4, 5, 6, 8, 711, 712, 713, 714, 715, 716}', '[]', '{}', '{}', '2025-03-10Z', '2025-03-10Z', NULL, 29),
       ('t1', 777, 'project', false, 'client', '{11, 21, 71}', '[]', '{}', '{}', '2025-03-10Z', '2025-03-10Z', NULL, 29),
       ('former', 780, 'client', true, 'workspace', '{901}', '[]', '{}', '{}', '2025-02-20Z', '2025-02-20Z', NULL, 30),
       ('former', 780, 'project', true, 'workspace', '{911}', '[]', '{}', '{}', '2025-02-20Z', '2025-02-20Z', NULL, 30);
INSERT INTO syncd.scopes (token, workspace_id, resource, is_admin, strategy, ids, absent, held_ids, held_hash, held_reason,
                          held_live, held_since, seen_at, complete_at, pull_id)
SELECT 't0', 778, resource, true, 'workspace', ids,
       jsonb_build_array(jsonb_build_object('ids', held, 'since', '2025-03-20T00:00:00Z', 'last', '2025-03-31T00:00:00Z',
                                            'count', 9, 'is_proven', false)),
       held, hash, 'shrunk', 12, '2025-03-20Z', '2025-03-31Z', '2025-03-31Z', 40
FROM (VALUES
    ('client', '{807, 808, 809, 810, 811, 812}'::bigint[], '{801, 802, 803, 804, 805, 806}'::bigint[], '49e2dedb9b45'),
    ('project', '{857, 858, 859, 860, 861, 862}', '{851, 852, 853, 854, 855, 856}', '2b9ffd70e419')
) AS s (resource, ids, held, hash);
INSERT INTO syncd.decisions (token, workspace_id, resource, hash, decision, expires_at)
SELECT token, workspace_id, resource, held_hash, 'approve', now() + interval '1 day'
FROM syncd.scopes WHERE held_hash IS NOT NULL AND resource = 'client';

INSERT INTO syncd.quarantine (token, resource, record_key, workspace_id, reason, detail, body, first_seen_at, last_seen_at,
                              released_at, pull_id)
VALUES ('t0', 'project', '12', 777, 'malformed', 'Expected `str`, got `null` - at `$.name`', '{"id":12,"name":null}', '2025-03-01Z', '2025-03-31Z', NULL, 40),
       ('t0', 'client', '1', 777, 'malformed', 'Expected `int` - at `$.wid`', '{"id":1,"wid":"777"}', '2025-02-05Z', '2025-02-06Z', '2025-02-10Z', 8);

-- What every written row paid for, and nobody needed.

-- Reports on what is live are answered from the plain indexes as well: tombstones and stubs are few.
DROP INDEX toggl.clients_live_idx;
DROP INDEX toggl.projects_live_idx;

-- A superseded version is copied from its row by the statement that replaces it, and rows are never removed.
ALTER TABLE syncd.client_versions DROP CONSTRAINT client_versions_id_fkey;
ALTER TABLE syncd.project_versions DROP CONSTRAINT project_versions_id_fkey;

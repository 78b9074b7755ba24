-- name: read_projects
-- Of the projects $2 those of workspace $1: the record in the order of syncd.records.Project, then what the merge needs.
SELECT id, workspace_id, client_id, name, active, is_private, billable, template, color, currency, rate, fixed_fee,
       estimated_seconds, auto_estimates, recurring, status, start_date, end_date, created_at, actual_seconds, at, extra,
       deleted_at, _is_stub
FROM toggl.projects WHERE id = ANY ($2::text::bigint[]) AND workspace_id = $1;

-- name: list_projects
-- Ids of all projects of workspace $1, of the live ones, and of those that not every member of the workspace may see.
SELECT coalesce(array_agg(id), '{}') AS known,
       coalesce(array_agg(id) FILTER (WHERE deleted_at IS NULL AND NOT _is_stub), '{}') AS live,
       coalesce(array_agg(id) FILTER (WHERE is_private), '{}') AS private
FROM toggl.projects WHERE workspace_id = $1;

-- name: change_projects
-- Replace the content of rows by $3, a JSON array of records that say in `_change_kind` what they do; $1 began_at, $2
-- pull. Keeps the version that each update ends, and tells which versions began. A version lasts at least a
-- microsecond, also when two pulls of different tokens saw two changes in the opposite order of their beginnings.
-- Returns how many versions ended, and how many rows were written.
WITH staged AS MATERIALIZED (
    SELECT * FROM json_populate_recordset(NULL::toggl.projects, $3::text::json)
), superseded AS (
    INSERT INTO syncd.project_versions
        (id, workspace_id, client_id, name, active, is_private, billable, template, color, currency, rate, fixed_fee,
         estimated_seconds, auto_estimates, recurring, status, start_date, end_date, created_at, actual_seconds, at,
         extra, valid_from, valid_to, change_kind, end_kind, pull_id)
    SELECT p.id, p.workspace_id, p.client_id, p.name, p.active, p.is_private, p.billable, p.template, p.color,
           p.currency, p.rate, p.fixed_fee, p.estimated_seconds, p.auto_estimates, p.recurring, p.status,
           p.start_date, p.end_date, p.created_at, p.actual_seconds, p.at, p.extra, p._valid_from,
           greatest($1, p._valid_from + interval '1 microsecond'), p._change_kind, 'update', $2
    FROM toggl.projects p JOIN staged s USING (id)
    WHERE s._change_kind = 'update'
    RETURNING id
), written AS (
    UPDATE toggl.projects p
    SET client_id = s.client_id, name = s.name, active = s.active, is_private = s.is_private, billable = s.billable,
        template = s.template, color = s.color, currency = s.currency, rate = s.rate, fixed_fee = s.fixed_fee,
        estimated_seconds = s.estimated_seconds, auto_estimates = s.auto_estimates, recurring = s.recurring,
        status = s.status, start_date = s.start_date, end_date = s.end_date, created_at = s.created_at,
        actual_seconds = s.actual_seconds, at = s.at, extra = s.extra, deleted_at = NULL, _is_stub = false,
        _synced_at = $1, _pull_id = $2,
        _valid_from = CASE s._change_kind WHEN 'volatile' THEN p._valid_from
                                          WHEN 'update' THEN greatest($1, p._valid_from + interval '1 microsecond')
                                          ELSE $1 END,
        _change_kind = CASE s._change_kind WHEN 'volatile' THEN p._change_kind ELSE s._change_kind END
    FROM staged s WHERE s.id = p.id
    RETURNING p.id, p.workspace_id, p._valid_from, s._change_kind AS change
), told AS (
    INSERT INTO syncd.changes (pull_id, workspace_id, relation, change_kind, at, ids)
    SELECT $2, workspace_id, 'projects', change, _valid_from, array_agg(id ORDER BY id)
    FROM written WHERE change <> 'volatile' GROUP BY workspace_id, change, _valid_from
)
SELECT (SELECT count(*) FROM superseded) AS ended, (SELECT count(*) FROM written) AS written;

-- name: bury_projects
-- Tombstones for the live rows $1; $2 pull. They are decided now: an answer that began earlier cannot bring them back.
WITH decided AS (
    SELECT clock_timestamp() AS at
), versions AS (
    INSERT INTO syncd.project_versions
    (id, workspace_id, client_id, name, active, is_private, billable, template, color, currency, rate, fixed_fee,
     estimated_seconds, auto_estimates, recurring, status, start_date, end_date, created_at, actual_seconds, at, extra,
     valid_from, valid_to, change_kind, end_kind, pull_id)
    SELECT t.id, t.workspace_id, t.client_id, t.name, t.active, t.is_private, t.billable, t.template, t.color,
           t.currency, t.rate, t.fixed_fee, t.estimated_seconds, t.auto_estimates, t.recurring, t.status,
           t.start_date, t.end_date, t.created_at, t.actual_seconds, t.at, t.extra,
           t._valid_from, greatest(d.at, t._valid_from + interval '1 microsecond'), t._change_kind, 'delete', $2
    FROM toggl.projects t, decided d
    WHERE t.id = ANY ($1::bigint[]) AND t.deleted_at IS NULL AND NOT t._is_stub
    RETURNING id, workspace_id, valid_to
), told AS (
    INSERT INTO syncd.changes (pull_id, workspace_id, relation, change_kind, at, ids)
    SELECT $2, workspace_id, 'projects', 'delete', valid_to, array_agg(id ORDER BY id)
    FROM versions GROUP BY workspace_id, valid_to
)
UPDATE toggl.projects t SET deleted_at = d.at, _synced_at = d.at, _pull_id = $2
FROM decided d WHERE t.id = ANY ($1::bigint[]) AND t.deleted_at IS NULL AND NOT t._is_stub
RETURNING t.id;

-- name: expire_projects
-- Forget superseded versions that ended more than $1 ago.
DELETE FROM syncd.project_versions WHERE valid_to < now() - $1::interval;

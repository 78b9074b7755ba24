-- name: read_clients
-- Of the clients $2 those of workspace $1: the record in the order of syncd.records.Client, then what the merge needs.
SELECT id, workspace_id, name, notes, hourly_rate, currency, archived, at, extra, deleted_at, _is_stub
FROM toggl.clients WHERE id = ANY ($2::text::bigint[]) AND workspace_id = $1;

-- name: list_clients
-- Ids of all clients of workspace $1, of the live ones, and of those that not every member may see, which are none.
SELECT coalesce(array_agg(id), '{}') AS known,
       coalesce(array_agg(id) FILTER (WHERE deleted_at IS NULL AND NOT _is_stub), '{}') AS live,
       '{}'::bigint[] AS private
FROM toggl.clients WHERE workspace_id = $1;

-- name: stub_clients
-- Parents that projects of workspace $1 name and nobody showed us: ids $2, $3 began_at, $4 pull.
INSERT INTO toggl.clients (id, workspace_id, _first_seen_at, _valid_from, _synced_at, _pull_id, _is_stub, _change_kind)
SELECT id, $1, $3, $3, $3, $4, true, 'insert' FROM unnest($2::bigint[]) AS s (id)
ON CONFLICT (id) DO NOTHING;

-- name: change_clients
-- Replace the content of rows by $3, a JSON array of records that say in `_change_kind` what they do; $1 began_at, $2
-- pull. Keeps the version that each update ends, and tells which versions began. A version lasts at least a
-- microsecond, also when two pulls of different tokens saw two changes in the opposite order of their beginnings.
-- Returns how many versions ended, and how many rows were written.
WITH staged AS MATERIALIZED (
    SELECT * FROM json_populate_recordset(NULL::toggl.clients, $3::text::json)
), superseded AS (
    INSERT INTO syncd.client_versions
        (id, workspace_id, name, notes, hourly_rate, currency, archived, at, extra, valid_from, valid_to,
         change_kind, end_kind, pull_id)
    SELECT c.id, c.workspace_id, c.name, c.notes, c.hourly_rate, c.currency, c.archived, c.at, c.extra,
           c._valid_from, greatest($1, c._valid_from + interval '1 microsecond'), c._change_kind, 'update', $2
    FROM toggl.clients c JOIN staged s USING (id)
    WHERE s._change_kind = 'update'
    RETURNING id
), written AS (
    UPDATE toggl.clients c
    SET name = s.name, notes = s.notes, hourly_rate = s.hourly_rate, currency = s.currency, archived = s.archived,
        at = s.at, extra = s.extra, deleted_at = NULL, _is_stub = false, _synced_at = $1, _pull_id = $2,
        _valid_from = CASE s._change_kind WHEN 'volatile' THEN c._valid_from
                                          WHEN 'update' THEN greatest($1, c._valid_from + interval '1 microsecond')
                                          ELSE $1 END,
        _change_kind = CASE s._change_kind WHEN 'volatile' THEN c._change_kind ELSE s._change_kind END
    FROM staged s WHERE s.id = c.id
    RETURNING c.id, c.workspace_id, c._valid_from, s._change_kind AS change
), told AS (
    INSERT INTO syncd.changes (pull_id, workspace_id, relation, change_kind, at, ids)
    SELECT $2, workspace_id, 'clients', change, _valid_from, array_agg(id ORDER BY id)
    FROM written WHERE change <> 'volatile' GROUP BY workspace_id, change, _valid_from
)
SELECT (SELECT count(*) FROM superseded) AS ended, (SELECT count(*) FROM written) AS written;

-- name: bury_clients
-- Tombstones for the live rows $1; $2 pull. They are decided now: an answer that began earlier cannot bring them back.
WITH decided AS (
    SELECT clock_timestamp() AS at
), versions AS (
    INSERT INTO syncd.client_versions
    (id, workspace_id, name, notes, hourly_rate, currency, archived, at, extra,
     valid_from, valid_to, change_kind, end_kind, pull_id)
    SELECT t.id, t.workspace_id, t.name, t.notes, t.hourly_rate, t.currency, t.archived, t.at, t.extra,
           t._valid_from, greatest(d.at, t._valid_from + interval '1 microsecond'), t._change_kind, 'delete', $2
    FROM toggl.clients t, decided d
    WHERE t.id = ANY ($1::bigint[]) AND t.deleted_at IS NULL AND NOT t._is_stub
    RETURNING id, workspace_id, valid_to
), told AS (
    INSERT INTO syncd.changes (pull_id, workspace_id, relation, change_kind, at, ids)
    SELECT $2, workspace_id, 'clients', 'delete', valid_to, array_agg(id ORDER BY id)
    FROM versions GROUP BY workspace_id, valid_to
)
UPDATE toggl.clients t SET deleted_at = d.at, _synced_at = d.at, _pull_id = $2
FROM decided d WHERE t.id = ANY ($1::bigint[]) AND t.deleted_at IS NULL AND NOT t._is_stub
RETURNING t.id;

-- name: expire_clients
-- Forget superseded versions that ended more than $1 ago.
DELETE FROM syncd.client_versions WHERE valid_to < now() - $1::interval;

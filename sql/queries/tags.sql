-- name: read_tags
-- Of the tags $2 those of workspace $1: the record in the order of syncd.records.Tag, then what the merge needs.
SELECT id, workspace_id, name, creator_id, at, extra, deleted_at, _is_stub
FROM toggl.tags WHERE id = ANY ($2::text::bigint[]) AND workspace_id = $1;

-- name: list_tags
-- Ids of all tags of workspace $1, of the live ones, and of those that not every member may see, which are none.
SELECT coalesce(array_agg(id), '{}') AS known,
       coalesce(array_agg(id) FILTER (WHERE deleted_at IS NULL AND NOT _is_stub), '{}') AS live,
       '{}'::bigint[] AS private
FROM toggl.tags WHERE workspace_id = $1;

-- name: change_tags
-- Replace the content of rows by $3, a JSON array of records that say in `_change_kind` what they do; $1 began_at, $2
-- pull. Keeps the version that each update ends, and tells which versions began. A version lasts at least a
-- microsecond, also when two pulls of different tokens saw two changes in the opposite order of their beginnings.
-- Returns how many versions ended, and how many rows were written.
WITH staged AS MATERIALIZED (
    SELECT * FROM json_populate_recordset(NULL::toggl.tags, $3::text::json)
), superseded AS (
    INSERT INTO syncd.tag_versions
        (id, workspace_id, name, creator_id, at, extra, valid_from, valid_to, change_kind, end_kind, pull_id)
    SELECT t.id, t.workspace_id, t.name, t.creator_id, t.at, t.extra,
           t._valid_from, greatest($1, t._valid_from + interval '1 microsecond'), t._change_kind, 'update', $2
    FROM toggl.tags t JOIN staged s USING (id)
    WHERE s._change_kind = 'update'
    RETURNING id
), written AS (
    UPDATE toggl.tags t
    SET name = s.name, creator_id = s.creator_id, at = s.at, extra = s.extra, deleted_at = NULL, _is_stub = false,
        _synced_at = $1, _pull_id = $2,
        _valid_from = CASE s._change_kind WHEN 'update' THEN greatest($1, t._valid_from + interval '1 microsecond')
                                          ELSE $1 END,
        _change_kind = s._change_kind
    FROM staged s WHERE s.id = t.id
    RETURNING t.id, t.workspace_id, t._valid_from, s._change_kind AS change
), told AS (
    INSERT INTO syncd.changes (pull_id, workspace_id, relation, change_kind, at, ids)
    SELECT $2, workspace_id, 'tags', change, _valid_from, array_agg(id ORDER BY id)
    FROM written GROUP BY workspace_id, change, _valid_from
)
SELECT (SELECT count(*) FROM superseded) AS ended, (SELECT count(*) FROM written) AS written;

-- name: bury_tags
-- Tombstones for the live rows $1; $2 pull. They are decided now: an answer that began earlier cannot bring them back.
WITH decided AS (
    SELECT clock_timestamp() AS at
), versions AS (
    INSERT INTO syncd.tag_versions
        (id, workspace_id, name, creator_id, at, extra, valid_from, valid_to, change_kind, end_kind, pull_id)
    SELECT t.id, t.workspace_id, t.name, t.creator_id, t.at, t.extra,
           t._valid_from, greatest(d.at, t._valid_from + interval '1 microsecond'), t._change_kind, 'delete', $2
    FROM toggl.tags t, decided d
    WHERE t.id = ANY ($1::bigint[]) AND t.deleted_at IS NULL AND NOT t._is_stub
    RETURNING id, workspace_id, valid_to
), told AS (
    INSERT INTO syncd.changes (pull_id, workspace_id, relation, change_kind, at, ids)
    SELECT $2, workspace_id, 'tags', 'delete', valid_to, array_agg(id ORDER BY id)
    FROM versions GROUP BY workspace_id, valid_to
)
UPDATE toggl.tags t SET deleted_at = d.at, _synced_at = d.at, _pull_id = $2
FROM decided d WHERE t.id = ANY ($1::bigint[]) AND t.deleted_at IS NULL AND NOT t._is_stub
RETURNING t.id;

-- name: expire_tags
-- Forget superseded versions that ended more than $1 ago.
DELETE FROM syncd.tag_versions WHERE valid_to < now() - $1::interval;

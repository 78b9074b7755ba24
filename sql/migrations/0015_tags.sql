-- Tags, for those who mirror them, too.

CREATE TABLE toggl.tags (
    id              bigint        PRIMARY KEY CHECK (id > 0),
    workspace_id    bigint        NOT NULL REFERENCES toggl.workspaces,
    name            text          CHECK (char_length(name) <= 65536),
    creator_id      bigint,
    at              timestamptz,
    extra           jsonb,
    deleted_at      timestamptz,
    _first_seen_at  timestamptz   NOT NULL,
    _valid_from     timestamptz   NOT NULL,
    _synced_at      timestamptz   NOT NULL,
    _pull_id        bigint        NOT NULL,
    _is_stub        boolean       NOT NULL DEFAULT false,
    _change_kind    text          NOT NULL CHECK (_change_kind IN ('insert', 'update', 'reappear')),
    CHECK (_is_stub OR name IS NOT NULL)
);
CREATE INDEX tags_workspace_id_idx ON toggl.tags (workspace_id);

CREATE TABLE syncd.tag_versions (
    id           bigint        NOT NULL,
    workspace_id bigint        NOT NULL,
    name         text,
    creator_id   bigint,
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
CREATE INDEX tag_versions_valid_from_idx ON syncd.tag_versions (valid_from);
CREATE INDEX tag_versions_valid_to_idx ON syncd.tag_versions (valid_to);

CREATE VIEW toggl.tags_current AS
SELECT id, workspace_id, name, creator_id, at,
       _first_seen_at, _valid_from, _synced_at, _pull_id,
       (at AT TIME ZONE 'UTC')::date AS at_date,
       (_first_seen_at AT TIME ZONE 'UTC')::date AS _first_seen_date
FROM toggl.tags
WHERE deleted_at IS NULL AND NOT _is_stub;

CREATE VIEW toggl.tags_history AS
SELECT id, workspace_id, name, creator_id, at,
       valid_from, valid_to, false AS is_current, change_kind, end_kind,
       (at AT TIME ZONE 'UTC')::date AS at_date,
       (valid_from AT TIME ZONE 'UTC')::date AS valid_from_date,
       (valid_to AT TIME ZONE 'UTC')::date AS valid_to_date
FROM syncd.tag_versions
UNION ALL
SELECT id, workspace_id, name, creator_id, at,
       _valid_from, NULL, true, _change_kind, NULL,
       (at AT TIME ZONE 'UTC')::date, (_valid_from AT TIME ZONE 'UTC')::date, NULL
FROM toggl.tags
WHERE deleted_at IS NULL AND NOT _is_stub;

-- ---------------------------------------------------------------------------------------------------------------
-- The machinery: what a token mirrors, and a third resource in scopes and quarantine
-- ---------------------------------------------------------------------------------------------------------------

ALTER TABLE syncd.tokens ADD COLUMN resources text[] NOT NULL DEFAULT '{client,project}';
COMMENT ON COLUMN syncd.tokens.resources IS 'What is mirrored, as configured. Scopes of other resources are frozen.';

ALTER TABLE syncd.scopes DROP CONSTRAINT scopes_resource_check;
ALTER TABLE syncd.scopes ADD CONSTRAINT scopes_resource_check CHECK (resource IN ('client', 'project', 'tag'));
ALTER TABLE syncd.quarantine DROP CONSTRAINT quarantine_resource_check;
ALTER TABLE syncd.quarantine ADD CONSTRAINT quarantine_resource_check
    CHECK (resource IN ('client', 'project', 'tag', 'workspace'));

-- As before, but of what is mirrored.
CREATE OR REPLACE VIEW toggl.workspace_freshness AS
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
    WHERE s.resource = ANY (t.resources)
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

COMMENT ON SCHEMA toggl IS 'A mirror of the clients, projects and, where configured, tags of Toggl accounts, for reports. Relations and columns may be added; none is renamed, removed or changes its type without notice.';
COMMENT ON TABLE syncd.tag_versions IS 'Superseded versions of tags; read them through toggl.tags_history.';

DO $comments$
DECLARE
    relation text;
    note record;
BEGIN
    FOR note IN SELECT * FROM (VALUES
        ('TABLE', 'tags', 'One row per tag ever seen: live or deleted (deleted_at). Rows are never removed. Empty unless tags are mirrored; once they no longer are, rows stay as they were last seen. Reports usually want tags_current.'),
        ('VIEW', 'tags_current', 'One row per tag that exists now: no deleted ones. Key: id.'),
        ('VIEW', 'tags_history', 'One row per version of a tag: what it was from valid_from until just before valid_to. Key: id, valid_from. While the tag lives its versions have neither gaps nor overlaps, and the last one is open. As of an instant t: WHERE valid_from <= t AND (valid_to > t OR valid_to IS NULL). Of several edits between two pulls there is only the last one.')
    ) AS r (kind, relation, comment) LOOP
        EXECUTE format('COMMENT ON %s toggl.%I IS %L', note.kind, note.relation, note.comment);
    END LOOP;

    FOR note IN SELECT * FROM (VALUES
        ('tags tags_current tags_history', 'id', 'Id of the tag; the same for ever. API: id.'),
        ('tags tags_current tags_history', 'workspace_id', 'Workspace that the tag belongs to. API: wid (v8), workspace_id (v9).'),
        ('tags', 'name', 'Name of the tag. NULL: a stub. API: name.'),
        ('tags_current tags_history', 'name', 'Name of the tag; may change, and be given to another tag. API: name.'),
        ('tags tags_current tags_history', 'creator_id', 'User who made the tag. NULL: the source did not say, or API v8. API: creator_id (v9).'),
        ('tags tags_current tags_history', 'at', 'When the source last changed the tag, by its own clock, to the microsecond. NULL: the source did not say, as API v8 may not. API: at.'),
        ('tags', 'extra', 'Fields of the source that have no column, as a JSON object; _sanitized in it: what PostgreSQL cannot store was replaced, or a text was cut. NULL: none.'),
        ('tags', 'deleted_at', 'When enough pulls agreed that it is gone at the source. NULL: live.'),
        ('tags', '_is_stub', 'Whether only the id is known; so far never.'),
        ('tags', '_change_kind', 'How the current version began: insert, update or reappear.'),
        ('tags tags_current', '_first_seen_at', 'When a pull first saw the id, by the clock of this database.'),
        ('tags tags_current', '_valid_from', 'Since when the row is as it is: when the pull that saw it so began, by the clock of this database.'),
        ('tags tags_current', '_synced_at', 'When the pull that last wrote the row began. No freshness: an unchanged row is not rewritten; see workspace_freshness.'),
        ('tags tags_current', '_pull_id', 'The pull that last wrote the row. Numbers grow; rows of one workspace with the same number were committed together.'),
        ('tags_current tags_history', 'at_date', 'The day of at, in UTC. NULL: as at.'),
        ('tags_current', '_first_seen_date', 'The day of _first_seen_at, in UTC.'),
        ('tags_history', 'valid_from', 'Start of the version: when the pull that saw it began, by the clock of this database.'),
        ('tags_history', 'valid_to', 'End of the version, which it does not include. NULL: it is open.'),
        ('tags_history', 'is_current', 'Whether the version is open; of a live row exactly one is.'),
        ('tags_history', 'change_kind', 'How the version began: insert (seen for the first time), update, or reappear (after a deletion).'),
        ('tags_history', 'end_kind', 'How the version ended: update or delete. NULL: it is open.'),
        ('tags_history', 'valid_from_date', 'The day of valid_from, in UTC.'),
        ('tags_history', 'valid_to_date', 'The day of valid_to, in UTC; the version held for a part of it. NULL: it is open.'),

        ('sync_status', 'rows', 'Clients, projects and, if they are mirrored, tags in the token''s last pull.'),
        ('changes', 'relation', 'Relation that the record is in: clients, projects or tags.'),
        ('workspace_freshness', 'last_success_at', 'Every row of the workspace that is mirrored is as of this instant or later: the oldest last success of the tokens that look at it. Where none does, rows are frozen as of it. NULL: nobody has seen its rows yet.')
    ) AS c (relations, column_name, comment) LOOP
        FOREACH relation IN ARRAY string_to_array(note.relations, ' ') LOOP
            EXECUTE format('COMMENT ON COLUMN toggl.%I.%I IS %L', relation, note.column_name, note.comment);
        END LOOP;
    END LOOP;

    -- A superseded version means what its view says, and what its table says where the view does not show it.
    FOR note IN
        SELECT v.attname AS column_name,
               coalesce(col_description('toggl.tags_history'::regclass, h.attnum), col_description('toggl.tags'::regclass, m.attnum)) AS comment
        FROM pg_attribute v
        LEFT JOIN pg_attribute h ON h.attrelid = 'toggl.tags_history'::regclass AND h.attname = v.attname
        LEFT JOIN pg_attribute m ON m.attrelid = 'toggl.tags'::regclass AND m.attname = v.attname
        WHERE v.attrelid = 'syncd.tag_versions'::regclass AND v.attnum > 0 AND v.attname <> 'pull_id'
    LOOP
        EXECUTE format('COMMENT ON COLUMN syncd.tag_versions.%I IS %L', note.column_name, note.comment);
    END LOOP;
END
$comments$;

COMMENT ON COLUMN syncd.tag_versions.pull_id IS 'The pull that ended the version.';
COMMENT ON COLUMN syncd.scopes.resource IS 'At what: clients, projects or tags.';
COMMENT ON COLUMN syncd.tokens.row_count IS 'Clients, projects and, if they are mirrored, tags in the last snapshots.';

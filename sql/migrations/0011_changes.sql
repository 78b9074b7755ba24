-- The change feed: what every commit changed, in the order in which commits became visible.
--
-- A commit lists its changes as it makes them, many ids to a row, so that a first pull writes eight bytes per record. It
-- takes its position in COMMIT itself, by a deferred trigger, and holds the one row of syncd.feed until others see what it
-- wrote. So whoever sees a position sees every lower one: no commit still at work can come in below it. Nothing of this
-- depends on transaction ids, which a restored database counts anew, and no client can die or sleep while it holds the row.

CREATE TABLE syncd.feed (
    position       bigint  NOT NULL,
    complete_after bigint  NOT NULL,
    is_only        boolean PRIMARY KEY DEFAULT true CHECK (is_only)
) WITH (fillfactor = 50);

CREATE SEQUENCE syncd.change_parts AS bigint;

CREATE TABLE syncd.changes (
    part         bigint      PRIMARY KEY DEFAULT nextval('syncd.change_parts'),
    position     bigint,
    ordinal      bigint,
    pull_id      bigint      NOT NULL,
    workspace_id bigint      NOT NULL,
    relation     text        NOT NULL,
    change_kind  text        NOT NULL CHECK (change_kind IN ('insert', 'update', 'reappear', 'delete')),
    at           timestamptz NOT NULL,
    ids          bigint[]    NOT NULL CHECK (cardinality(ids) > 0)
);
CREATE UNIQUE INDEX changes_position_idx ON syncd.changes (position, ordinal);
-- Long arrays of ids barely compress; trying costs more than it saves.
ALTER TABLE syncd.changes ALTER COLUMN ids SET STORAGE EXTERNAL;

COMMENT ON SEQUENCE syncd.change_parts IS 'Numbers rows of syncd.changes in the order in which a commit writes them.';
COMMENT ON TABLE syncd.feed IS 'One row: how far the change feed is. Who commits changes holds it until they are visible.';
COMMENT ON COLUMN syncd.feed.position IS 'Position of the last commit: microseconds since 1970 by the clock, or one more than before, so that a restored backup gives none again.';
COMMENT ON COLUMN syncd.feed.complete_after IS 'Changes up to this position may have been forgotten; none above it is missing.';
COMMENT ON COLUMN syncd.feed.is_only IS 'There is no other row.';
COMMENT ON TABLE syncd.changes IS 'What commits changed, one row per commit, relation, kind and instant; read it through toggl.changes.';
COMMENT ON COLUMN syncd.changes.part IS 'Where the row comes among those of its commit.';
COMMENT ON COLUMN syncd.changes.position IS 'Position of the commit. NULL: it is at work, and nobody else sees the row.';
COMMENT ON COLUMN syncd.changes.ordinal IS 'Number of the first id among the changes of the commit, from 1. NULL: as position.';
COMMENT ON COLUMN syncd.changes.pull_id IS 'Pull that wrote it.';
COMMENT ON COLUMN syncd.changes.workspace_id IS 'Workspace of the records.';
COMMENT ON COLUMN syncd.changes.relation IS 'Relation of schema toggl that the records are in.';
COMMENT ON COLUMN syncd.changes.change_kind IS 'How their versions began, or delete: the last one ended.';
COMMENT ON COLUMN syncd.changes.at IS 'When their versions began, or the last one ended.';
COMMENT ON COLUMN syncd.changes.ids IS 'Ids of the records, ascending.';

INSERT INTO syncd.feed (position, complete_after)
SELECT now_us, now_us FROM (SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint AS now_us) clock;

CREATE FUNCTION syncd.place_commit() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    place bigint;
BEGIN
    IF NOT EXISTS (SELECT FROM syncd.changes WHERE part = NEW.part AND position IS NULL) THEN
        RETURN NULL;  -- placed with an earlier part of the same commit
    END IF;
    UPDATE syncd.feed SET position = greatest(position + 1, (extract(epoch FROM clock_timestamp()) * 1000000)::bigint)
    RETURNING position INTO place;
    UPDATE syncd.changes c SET position = place, ordinal = numbered.ordinal
    FROM (SELECT part, sum(cardinality(ids)) OVER (ORDER BY part) - cardinality(ids) + 1 AS ordinal
          FROM syncd.changes WHERE position IS NULL) numbered
    WHERE c.part = numbered.part;
    PERFORM pg_notify('toggl_changes', json_build_object(
        'position', place, 'workspace_id', NEW.workspace_id, 'changes', json_object_agg(relation, changes))::text)
    FROM (SELECT relation, sum(cardinality(ids)) AS changes FROM syncd.changes WHERE position = place GROUP BY relation) told;
    RETURN NULL;
END
$$;
COMMENT ON FUNCTION syncd.place_commit IS 'Gives a commit its position among all others, and tells those who listen on toggl_changes.';

CREATE CONSTRAINT TRIGGER place_commit AFTER INSERT ON syncd.changes DEFERRABLE INITIALLY DEFERRED
FOR EACH ROW WHEN (NEW.position IS NULL) EXECUTE FUNCTION syncd.place_commit();

CREATE VIEW toggl.changes AS
SELECT c.position, c.ordinal + listed.number - 1 AS ordinal, c.relation, listed.id, c.workspace_id, c.change_kind, c.at,
       c.pull_id AS _pull_id
FROM syncd.changes c, unnest(c.ids) WITH ORDINALITY AS listed (id, number)
WHERE c.position IS NOT NULL;

CREATE VIEW toggl.changes_horizon AS SELECT complete_after, position FROM syncd.feed;

COMMENT ON VIEW toggl.changes IS 'The change feed: every version that began or ended, exactly once, in the order of commits. Key: position, ordinal. Whoever has read up to a position goes on with WHERE position > it ORDER BY position, ordinal; docs/change-feed.md.';
COMMENT ON COLUMN toggl.changes.position IS 'Position of the commit, the same for all its changes. Positions only grow, and none ever appears below one that was seen.';
COMMENT ON COLUMN toggl.changes.ordinal IS 'Number of the change among those of its commit, from 1.';
COMMENT ON COLUMN toggl.changes.relation IS 'Relation that the record is in: clients or projects.';
COMMENT ON COLUMN toggl.changes.id IS 'Id of the record there, and in the history of the relation.';
COMMENT ON COLUMN toggl.changes.workspace_id IS 'Workspace of the record.';
COMMENT ON COLUMN toggl.changes.change_kind IS 'insert, update or reappear: a version began. delete: the record is gone, its last version ended.';
COMMENT ON COLUMN toggl.changes.at IS 'When: valid_from of the version that began, valid_to of the one that a delete ended.';
COMMENT ON COLUMN toggl.changes._pull_id IS 'The pull that saw it.';
COMMENT ON VIEW toggl.changes_horizon IS 'One row: from where to where toggl.changes can be followed. Key: position.';
COMMENT ON COLUMN toggl.changes_horizon.complete_after IS 'Whoever stands below this position may have missed changes, and has to begin anew from the tables.';
COMMENT ON COLUMN toggl.changes_horizon.position IS 'Position of the last commit that is visible. The tables, read in the same snapshot, hold everything up to here.';

-- A tenth of each page stays free for the next version of its rows: a row that changes stays on its page, and no index
-- has to be told. Holds for pages that are filled from now on.
ALTER TABLE toggl.clients SET (fillfactor = 90);
ALTER TABLE toggl.projects SET (fillfactor = 90);
ALTER TABLE toggl.tags SET (fillfactor = 90);

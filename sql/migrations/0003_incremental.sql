-- Pulls that ask for changes only, between those that list everything.

ALTER TABLE syncd.scopes ADD COLUMN cursor timestamptz;
ALTER TABLE syncd.scopes ADD COLUMN cursor_no bigint NOT NULL DEFAULT 0;
ALTER TABLE syncd.tokens ADD COLUMN last_walk_at timestamptz;

UPDATE syncd.tokens SET last_walk_at = last_success_at;

COMMENT ON COLUMN syncd.scopes.cursor IS 'From when on the source may be asked for changes only, by its own clock. NULL: the next pull lists everything.';
COMMENT ON COLUMN syncd.scopes.cursor_no IS 'compare_no of the token when the cursor was written: a later one means that somebody asked for a comparison since.';
COMMENT ON COLUMN syncd.tokens.last_walk_at IS 'Start of the last pull that listed everything, changed or not: what was missing then, the token does not see.';

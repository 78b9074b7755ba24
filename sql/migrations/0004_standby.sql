-- One administrator's token may pull a workspace for all tokens that share it; the others stand by.

ALTER TABLE syncd.scopes ADD COLUMN standby_at timestamptz;

COMMENT ON COLUMN syncd.scopes.standby_at IS 'Since when another token looks at the workspace instead: what was seen before is frozen, and no evidence.';

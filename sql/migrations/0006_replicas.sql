-- Several processes may pull one token, one after the other; together they keep its pace.

ALTER TABLE syncd.tokens ADD COLUMN quiet_since timestamptz;

COMMENT ON COLUMN syncd.tokens.quiet_since IS 'When the last pull that ended sent nothing more; NULL: there was none.';

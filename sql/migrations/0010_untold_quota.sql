-- A 402 tells that an hour is used up, not how much it held; what was made of it before is no plan's number.

UPDATE syncd.quotas SET total = 0 WHERE remaining <= 0 AND total <= 30;
COMMENT ON COLUMN syncd.quotas.total IS 'Requests of a whole hour; 0 = not known, there was but a 402.';

-- Whether a token's turn has come. An attempt that lies ahead was made before the database's clock was put back: all
-- that was planned since lies too far ahead, too, and the token would not be pulled for as long as the clock went back.
CREATE FUNCTION syncd.is_due(t syncd.tokens) RETURNS boolean LANGUAGE sql STABLE AS $$
    SELECT t.enabled AND (t.next_due_at <= now() OR t.last_attempt_at > now() + interval '5 s')
       AND (t.not_before IS NULL OR t.not_before <= now())
$$;
COMMENT ON FUNCTION syncd.is_due IS 'Whether the turn of a token has come.';

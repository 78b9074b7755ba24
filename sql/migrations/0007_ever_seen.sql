-- What a scope shows or showed once: whoever takes over from its token has to miss what is no longer there.

CREATE FUNCTION syncd.ever_seen(scope syncd.scopes) RETURNS bigint[] LANGUAGE sql IMMUTABLE
SET search_path = pg_catalog, pg_temp AS $$
    SELECT scope.ids || ARRAY (
        SELECT id::bigint FROM jsonb_array_elements(scope.absent) AS cohort, jsonb_array_elements_text(cohort -> 'ids') AS id)
$$;
COMMENT ON FUNCTION syncd.ever_seen IS 'Ids that the scope shows, and those that it showed once and then lacked.';

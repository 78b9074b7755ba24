-- Views of clients show no stubs, so that is not why they do not tell.

DO $comments$
DECLARE
    relation text;
BEGIN
    FOREACH relation IN ARRAY ARRAY['clients_current', 'clients_history'] LOOP
        EXECUTE format('COMMENT ON COLUMN toggl.%I.archived IS %L', relation,
            'Whether the client is archived. NULL: API v8, which has no archived clients. API: archived (v9).');
    END LOOP;
END
$comments$;

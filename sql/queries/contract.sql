-- name: contract_relations
-- Tables and views of schema toggl with their keys, in the order in which they were made.
SELECT c.relname AS name, CASE c.relkind WHEN 'r' THEN 'table' WHEN 'v' THEN 'view' ELSE c.relkind::text END AS kind,
       obj_description(c.oid, 'pg_class') AS comment,
       ARRAY (SELECT a.attname::text FROM pg_constraint k, unnest(k.conkey) WITH ORDINALITY AS key (number, place)
              JOIN pg_attribute a ON a.attnum = key.number
              WHERE k.conrelid = c.oid AND k.contype = 'p' AND a.attrelid = c.oid ORDER BY key.place) AS primary_key
FROM pg_class c
WHERE c.relnamespace = to_regnamespace('toggl') AND c.relkind IN ('r', 'p', 'v', 'm', 'f') ORDER BY c.oid;

-- name: contract_columns
-- Their columns, in place. Of a view's column the server does not know whether it may be NULL; its comment says so.
SELECT c.relname AS relation, a.attname AS name, format_type(a.atttypid, a.atttypmod) AS type,
       CASE c.relkind WHEN 'r' THEN NOT a.attnotnull
                      ELSE coalesce(col_description(c.oid, a.attnum) LIKE '%NULL: %', true) END AS nullable,
       coalesce(col_description(c.oid, a.attnum), '') AS comment
FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
WHERE c.relnamespace = to_regnamespace('toggl') AND c.relkind IN ('r', 'p', 'v', 'm', 'f') ORDER BY c.oid, a.attnum;

-- name: contract_foreign_keys
-- Which column points at which relation.
SELECT c.relname AS relation, a.attname AS name, p.relname AS parent
FROM pg_constraint k
JOIN pg_class c ON c.oid = k.conrelid JOIN pg_class p ON p.oid = k.confrelid
JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = k.conkey[1]
WHERE k.contype = 'f' AND c.relnamespace = to_regnamespace('toggl') ORDER BY c.oid, a.attnum;

-- name: forget_demo
-- Every demonstration begins with an empty mirror: its made-up source begins anew too.
DROP SCHEMA IF EXISTS toggl, syncd CASCADE;

-- name: sample_query
SELECT workspace_name, client_name, count(*) AS projects, count(*) FILTER (WHERE NOT active) AS archived,
       max(p.at) AS last_change
FROM toggl.projects_enriched p
GROUP BY workspace_name, client_name
ORDER BY last_change DESC, client_name
LIMIT 5;

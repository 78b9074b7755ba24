select
    id as workspace_id,
    name as workspace_name
from {{ source('toggl', 'workspaces') }}
where deleted_at is null

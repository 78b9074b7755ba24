select
    id as tag_id,
    workspace_id,
    name as tag_name,
    creator_id,
    at as updated_at
from {{ source('toggl', 'tags_current') }}

select
    id as client_id,
    workspace_id,
    name as client_name,
    notes,
    hourly_rate,
    currency,
    coalesce(archived, false) as is_archived,
    at as updated_at
from {{ source('toggl', 'clients_current') }}

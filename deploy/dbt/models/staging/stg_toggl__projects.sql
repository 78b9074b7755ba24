select
    id as project_id,
    workspace_id,
    client_id,
    name as project_name,
    active as is_active,
    billable as is_billable,
    is_private,
    effective_rate as rate,
    effective_currency as rate_currency,
    fixed_fee,
    currency as fixed_fee_currency,
    estimated_seconds,
    start_date,
    end_date,
    at as updated_at
from {{ source('toggl', 'projects_enriched') }}

-- Rates stand beside their currency and are not summed: an amount over several currencies would mean nothing.
select
    clients.client_id,
    clients.client_name,
    clients.is_archived as is_client_archived,
    clients.workspace_id,
    workspaces.workspace_name,
    projects.project_id,
    projects.project_name,
    projects.is_billable,
    projects.rate,
    projects.rate_currency,
    projects.fixed_fee,
    projects.fixed_fee_currency,
    projects.start_date,
    projects.end_date
from {{ ref('stg_toggl__clients') }} as clients
inner join {{ ref('stg_toggl__workspaces') }} as workspaces on workspaces.workspace_id = clients.workspace_id
left join {{ ref('stg_toggl__projects') }} as projects
    on projects.client_id = clients.client_id and projects.is_active

-- What the history holds as of now is what exists now: returns ids that are in one of them only.
select coalesce(now_open.id, existing.id) as id
from {{ toggl_as_of('tags', 'now()') }} as now_open
full join {{ source('toggl', 'tags_current') }} as existing on existing.id = now_open.id
where now_open.id is null or existing.id is null

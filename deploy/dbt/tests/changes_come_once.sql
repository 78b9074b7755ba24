-- A place in the feed holds one change: returns those that hold more.
select position, ordinal
from {{ source('toggl', 'changes') }}
group by position, ordinal
having count(*) > 1

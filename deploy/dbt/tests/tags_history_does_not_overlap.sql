-- Versions of a row follow one another: returns those that begin before the one before has ended.
select *
from (
    select id, valid_from, lag(coalesce(valid_to, 'infinity')) over (partition by id order by valid_from) as before
    from {{ source('toggl', 'tags_history') }}
) as versions
where valid_from < before

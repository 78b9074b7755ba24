{#- The clients, projects or tags as a pull saw them at an instant: a relation to select from.

    select * from {{ syncd_toggl.toggl_as_of('projects', "timestamptz '2026-01-01 00:00Z'") }} as projects
-#}
{% macro toggl_as_of(resource, instant) %}
  {%- if resource not in ['clients', 'projects', 'tags'] -%}
    {{ exceptions.raise_compiler_error("toggl_as_of: history is kept of 'clients', 'projects' and 'tags', not of '" ~ resource ~ "'") }}
  {%- endif -%}
  (
    select *
    from {{ source('toggl', resource ~ '_history') }}
    where valid_from <= {{ instant }} and (valid_to > {{ instant }} or valid_to is null)
  )
{%- endmacro %}

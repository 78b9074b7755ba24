"""The world's rows as JSON: clients, projects, tags and workspaces written from outside, past all rights. Pure.

What may be sent follows from the signatures of `World`'s own methods and the types of the rows, so that a field
that is added there is taken here.
"""

import inspect
from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Annotated, Any, NamedTuple

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType

from syncd.emulator.model import World
from syncd.emulator.rows import Client, Missing, Project, Refused, Tag, Workspace

_Instant = Annotated[datetime, Meta(tz=True)]
_HINTS: dict[str, Any] = {
    "id": Annotated[int, Meta(ge=1, le=2**63 - 1)],
    "at": _Instant,
    "created_at": _Instant | None,
}


class Kind(NamedTuple):
    """One kind of row: what it is, what the world does with it, and what can be sent to make or to change one."""

    name: str
    row: type[Struct]
    create: Callable[..., Any]
    update: Callable[..., Any]
    delete: Callable[..., None]
    made_of: type[Struct]
    changes: type[Struct]

    def rows(self, world: World) -> dict[int, Any]:
        """id -> row, of all that exist."""
        rows: dict[int, Any] = getattr(world, f"{self.name}s")
        return rows

    def add(self, world: World, body: object) -> Any:
        """The new row, or rows for a list.

        Raises msgspec.ValidationError, Missing or Refused; of a list, the rows before the bad one stay.
        """
        if isinstance(body, list):
            return [self._add(world, one, f"row {number}: ") for number, one in enumerate(body)]
        return self._add(world, body, "")

    def change(self, world: World, row_id: int, body: object) -> Any:
        """The changed row. Raises msgspec.ValidationError, Missing or Refused."""
        return self.update(world, row_id, **_given(msgspec.convert(body, self.changes)))

    def _add(self, world: World, body: object, place: str) -> Any:
        try:
            fields = _given(msgspec.convert(body, self.made_of))
            if "id" in fields:
                fields[f"{self.name}_id"] = fields.pop("id")
            return self.create(world, **fields)
        except (msgspec.ValidationError, Missing, Refused) as error:
            raise Refused([place + str(error)]) from None


def _kind(
    name: str,
    row: type[Struct],
    create: Callable[..., Any],
    update: Callable[..., Any],
    delete: Callable[..., None],
    required: Iterable[str],
) -> Kind:
    takes = _taken(create, row) | {"id", "at"}
    made_of = _form(f"new {name}", row, takes, set(required))
    changes = _form(f"changed {name}", row, _taken(update, row) - {"id", "at", "workspace_id"}, set())
    return Kind(name, row, create, update, delete, made_of, changes)


def _taken(method: Callable[..., Any], row: type[Struct]) -> set[str]:
    """The fields of the row that a method of `World` takes; all, where it takes `**fields`."""
    parameters = inspect.signature(method).parameters
    if any(parameter.kind is inspect.Parameter.VAR_KEYWORD for parameter in parameters.values()):
        return {field.name for field in msgspec.structs.fields(row)}
    return set(parameters)


def _form(title: str, row: type[Struct], takes: set[str], required: set[str]) -> type[Struct]:
    fields: list[Any] = []
    for field in msgspec.structs.fields(row):
        if field.name in takes:
            hint: Any = _HINTS.get(field.name, field.type)
            fields.append((field.name, hint) if field.name in required else (field.name, hint | UnsetType, UNSET))
    return msgspec.defstruct(title, fields, forbid_unknown_fields=True, kw_only=True)


def _given(form: Struct) -> dict[str, Any]:
    return {name: value for name in form.__struct_fields__ if (value := getattr(form, name)) is not UNSET}


def described(form: type[Struct]) -> list[str]:
    """The names of the fields that can be sent, a * at those that must be."""
    return [field.name + ("*" if field.required else "") for field in msgspec.structs.fields(form)]


KINDS = {
    kind.name: kind
    for kind in (
        _kind("workspace", Workspace, World.create_workspace, World.update_workspace, World.delete_workspace, ["name"]),
        _kind(
            "client", Client, World.create_client, World.update_client, World.delete_client, ["workspace_id", "name"]
        ),
        _kind(
            "project",
            Project,
            World.create_project,
            World.update_project,
            World.delete_project,
            ["workspace_id", "name"],
        ),
        _kind("tag", Tag, World.create_tag, World.update_tag, World.delete_tag, ["workspace_id", "name"]),
    )
}

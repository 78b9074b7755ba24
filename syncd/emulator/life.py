"""A world that changes before one's eyes: a few made-up edits at a time, such as people make in a working day."""

from collections.abc import Callable

from syncd.emulator.dice import Rng, pick
from syncd.emulator.model import World
from syncd.emulator.rows import Client, Project, Refused

_WORDS = ("Aurora", "Basalt", "Cedar", "Dune", "Echo", "Fern", "Glade", "Harbour", "Indigo", "Juniper", "Kestrel")
_NOTES = ("Call back on Monday", "Contract renewed", "Moved to a new office", "Pays within 14 days", None)


def live(world: World, rng: Rng, edits: int = 3) -> list[str]:
    """Apply so many random edits and say in a sentence each what changed.

    Workspaces are neither added nor removed, nothing is ever deleted, and a world without clients stays as it is.
    An edit that the rules refuse (a name taken by chance) is left out of the list. Times come from the world's `now`.
    """
    told = []
    for _ in range(edits):
        client_ids = list(world.clients)
        if not client_ids:
            break
        try:
            told.append(pick(rng, _EDITS)(world, rng, world.client(pick(rng, client_ids))))
        except Refused:
            continue
    return told


def _rename_client(world: World, rng: Rng, client: Client) -> str:
    renamed = world.update_client(client.id, name=_new_name(rng, client.name))
    return f"client {client.id} {client.name!r} is now {renamed.name!r}"


def _note(world: World, rng: Rng, client: Client) -> str:
    noted = world.update_client(client.id, notes=pick(rng, _NOTES))
    return f"client {client.id} {client.name!r} has {'new' if noted.notes else 'no'} notes"


def _change_rate(world: World, rng: Rng, client: Client) -> str:
    """In a premium workspace; elsewhere there are no rates, so the notes change instead."""
    if not world.workspace(client.workspace_id).premium:
        return _note(world, rng, client)
    changed = world.update_client(client.id, hrate=20.0 + rng.randrange(400) / 2, cur=client.cur or "EUR")
    return f"client {client.id} {client.name!r} pays {changed.hrate:g} {changed.cur} an hour"


def _add_project(world: World, rng: Rng, client: Client) -> str:
    project = world.create_project(client.workspace_id, _new_name(rng, pick(rng, _WORDS)), client.id)
    return f"client {client.id} {client.name!r} has a new project {project.name!r}"


def _rename_project(world: World, rng: Rng, client: Client) -> str:
    project = _some_project(world, rng, client)
    if project is None:
        return _add_project(world, rng, client)
    renamed = world.update_project(project.id, name=_new_name(rng, project.name))
    return f"project {project.id} {project.name!r} is now {renamed.name!r}"


def _archive_or_restore(world: World, rng: Rng, client: Client) -> str:
    project = _some_project(world, rng, client)
    if project is None:
        return _add_project(world, rng, client)
    changed = world.update_project(project.id, active=not project.active)
    return f"project {project.id} {project.name!r} is {'active again' if changed.active else 'archived'}"


_EDITS: tuple[Callable[[World, Rng, Client], str], ...] = (
    _rename_client,
    _note,
    _change_rate,
    _add_project,
    _rename_project,
    _archive_or_restore,
)


def _some_project(world: World, rng: Rng, client: Client) -> Project | None:
    rows = world.projects_of_client(client.id)
    return pick(rng, rows) if rows else None


def _new_name(rng: Rng, name: str) -> str:
    """The name with another ending in place of an earlier one, so that it does not grow."""
    return f"{name.split(' · ')[0]} · {pick(rng, _WORDS)} {rng.randrange(1000)}"

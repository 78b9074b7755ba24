"""The rules of the world: what a write may do, and what it does to `at`."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from syncd.emulator.model import World
from syncd.emulator.rows import Missing, Refused


def test_every_write_stamps_the_present_whole_second(world: World, clock: Any) -> None:
    """`at` is UTC without fraction, whatever the zone of the clock."""
    client = world.create_client(1, "Acme")
    assert datetime(2030, 1, 1, 12, 0, 0, tzinfo=UTC) == client.at
    clock.at = datetime(2030, 1, 1, 15, 0, 9, 999_999, tzinfo=timezone(timedelta(hours=2)))
    assert datetime(2030, 1, 1, 13, 0, 9, tzinfo=UTC) == world.update_client(client.id, name="Acme").at
    assert world.update_client(client.id).at.tzinfo is UTC


def test_two_writes_in_one_second_share_it(world: World, clock: Any) -> None:
    """Half a second apart within one second: same `at`, other content."""
    clock.at = clock.at.replace(microsecond=100_000)
    first = world.create_client(1, "Acme")
    clock.forward(0.5)
    second = world.update_client(first.id, name="Acme 2")
    assert (first.at, "Acme 2") == (second.at, second.name)


def test_at_never_goes_backwards(world: World, clock: Any) -> None:
    """Neither when the clock does, nor when the row comes from the future."""
    first = world.create_client(1, "Acme")
    clock.forward(-3600)
    assert first.at == world.update_client(first.id, notes="x").at
    assert first.at == world.create_project(1, "P", first.id).at
    future = first.at + timedelta(days=1)
    ahead = world.create_project(1, "Q", first.id, at=future)
    assert future == world.update_project(ahead.id, active=False).at
    assert first.at == world.update_workspace(1, name="Uno").at


def test_kept_row_does_not_change_under_an_update(world: World) -> None:
    """Rows are values: the stored one is replaced, not edited."""
    before = world.create_client(1, "Acme")
    world.update_client(before.id, name="Other")
    assert before.name == "Acme"
    assert world.client(before.id).name == "Other"


def test_client_name_is_unique_in_its_workspace_and_case_counts(world: World) -> None:
    """Same name: refused in the workspace, fine elsewhere; other case: fine."""
    world.create_client(1, "Acme")
    with pytest.raises(Refused, match="Name has already been taken"):
        world.create_client(1, "Acme")
    world.create_client(1, "ACME")
    world.create_client(2, "Acme")
    assert len(world.clients) == 3


def test_client_name_is_free_again_after_rename_and_delete(world: World) -> None:
    """The index of names follows the rows; an id is never used again."""
    first = world.create_client(1, "Acme")
    world.update_client(first.id, name="Beta")
    second = world.create_client(1, "Acme")
    world.delete_client(second.id)
    third = world.create_client(1, "Acme")
    assert first.id < second.id < third.id
    world.update_client(first.id, name="Beta")  # its own name is no rival


def test_update_to_a_taken_name_changes_nothing(world: World, clock: Any) -> None:
    """A refused update leaves row, `at` and revision alone."""
    world.create_client(1, "Acme")
    row = world.create_client(1, "Beta")
    revision = world.revision(1)
    clock.forward(60)
    with pytest.raises(Refused):
        world.update_client(row.id, name="Acme", notes="lost")
    assert (row, revision) == (world.client(row.id), world.revision(1))


@pytest.mark.parametrize(
    ("name", "messages"),
    [
        ("", ("Name can't be blank",)),
        (" \t\n", ("Name can't be blank",)),
        ("x" * 256, ("Name is too long (maximum is 255 characters)",)),
        ("nul\0", ("Name is invalid",)),
        ("\0" * 256, ("Name is too long (maximum is 255 characters)", "Name is invalid")),
    ],
)
def test_bad_name_is_refused_for_clients_and_projects(world: World, name: str, messages: tuple[str, ...]) -> None:
    """Each broken rule is named, for both kinds."""
    with pytest.raises(Refused) as of_client:
        world.create_client(1, name)
    with pytest.raises(Refused) as of_project:
        world.create_project(1, name)
    assert messages == of_client.value.messages == of_project.value.messages
    assert (world.clients, world.projects) == ({}, {})


def test_name_of_255_characters_and_outer_spaces_are_kept(world: World) -> None:
    """Characters are counted, not bytes; nothing is trimmed."""
    assert world.create_client(1, "é" * 255).name == "é" * 255
    assert world.create_client(1, " x ").name == " x "


def test_nul_in_notes_or_currency_is_refused(world: World) -> None:
    with pytest.raises(Refused) as refusal:
        world.create_client(1, "Acme", "a\0", None, "\0")
    assert refusal.value.messages == ("Notes is invalid", "Cur is invalid")


def test_rates_live_in_premium_workspaces_only(world: World) -> None:
    """Elsewhere they are dropped without a word, on create and on update."""
    paid = world.create_client(1, "Acme", hrate=12.5, cur="AUD")
    assert (paid.hrate, paid.cur) == (12.5, "AUD")
    free = world.create_client(2, "Acme", hrate=12.5, cur="AUD")
    assert (free.hrate, free.cur) == (None, None)
    free = world.update_client(free.id, hrate=9.0, cur="EUR", notes="kept")
    assert (free.hrate, free.cur, free.notes) == (None, None, "kept")


def test_update_touches_only_the_fields_given_and_empty_text_clears(world: World) -> None:
    row = world.create_client(1, "Acme", "notes", 12.0, "AUD")
    row = world.update_client(row.id, name="Beta")
    assert (row.name, row.notes, row.hrate, row.cur) == ("Beta", "notes", 12.0, "AUD")
    row = world.update_client(row.id, notes="", hrate=0.0, cur="")
    assert (row.name, row.notes, row.hrate, row.cur) == ("Beta", None, 0.0, None)


def test_deleted_client_leaves_its_projects_without_moving_their_at(world: World, clock: Any) -> None:
    """As at the source: they lose the client, and nothing tells that they changed."""
    client = world.create_client(1, "Acme")
    project = world.create_project(1, "P", client.id)
    clock.forward(3600)
    world.delete_client(client.id)
    orphan = world.project(project.id)
    assert (None, project.at) == (orphan.client_id, orphan.at)
    assert [orphan] == world.projects_of(1)
    assert world.create_client(1, "Acme").id > client.id
    with pytest.raises(Missing, match=f"No client with ID {client.id} was found"):
        world.client(client.id)


def test_project_name_is_unique_under_its_client_archived_ones_included(world: World) -> None:
    """Under another client, or under none, the same name is legal."""
    first, second = world.create_client(1, "Acme"), world.create_client(1, "Beta")
    archived = world.create_project(1, "P", first.id, active=False)
    with pytest.raises(Refused, match="Name has already been taken"):
        world.create_project(1, "P", first.id)
    world.create_project(1, "P", second.id)
    world.create_project(1, "P")
    with pytest.raises(Refused, match="Name has already been taken"):
        world.update_project(archived.id, client_id=second.id)
    world.update_project(archived.id, name="Q", client_id=second.id)
    assert sorted(row.name for row in world.projects_of_client(second.id)) == ["P", "Q"]
    assert world.projects_of_client(first.id) == []


def test_project_cannot_take_a_client_of_another_workspace(world: World) -> None:
    client = world.create_client(2, "Acme")
    for client_id in (client.id, 12345):
        with pytest.raises(Refused, match=f"Client with the ID {client_id} isn't present in workspace 1"):
            world.create_project(1, "P", client_id)


def test_lists_ascend_by_id_after_moves(world: World) -> None:
    """Renames, moves and deletes leave the order alone."""
    clients = [world.create_client(1, name) for name in "cab"]
    projects = [world.create_project(1, name, clients[0].id) for name in "cab"]
    world.update_client(clients[0].id, name="z")
    world.update_project(projects[0].id, client_id=None)
    world.update_project(projects[0].id, client_id=clients[0].id)
    world.delete_project(projects[1].id)
    assert [row.id for row in clients] == [row.id for row in world.clients_of(1)]
    assert [projects[0].id, projects[2].id] == [row.id for row in world.projects_of(1)]
    assert [projects[0].id, projects[2].id] == [row.id for row in world.projects_of_client(clients[0].id)]


@pytest.mark.parametrize(
    "write",
    [
        lambda world, client, project: world.create_client(1, "new"),
        lambda world, client, project: world.update_client(client, notes="x"),
        lambda world, client, project: world.delete_client(client),
        lambda world, client, project: world.create_project(1, "new"),
        lambda world, client, project: world.update_project(project, active=False),
        lambda world, client, project: world.delete_project(project),
        lambda world, client, project: world.update_workspace(1, premium=False),
    ],
)
def test_every_write_moves_the_revision_of_its_workspace_alone(
    world: World, write: Callable[[World, int, int], object]
) -> None:
    """Rendered pages are kept as long as the revision stands: a write that left it would serve the past."""
    client = world.create_client(1, "Acme")
    project = world.create_project(1, "P", client.id)
    before, other = world.revision(1), world.revision(2)
    write(world, client.id, project.id)
    assert before < world.revision(1)
    assert other == world.revision(2)


@pytest.mark.parametrize("fields", [{"id": 5}, {"workspace_id": 2}, {"at": datetime(2030, 1, 1, tzinfo=UTC)}])
def test_project_id_workspace_and_at_cannot_be_set(world: World, fields: dict[str, Any]) -> None:
    project = world.create_project(1, "P")
    with pytest.raises(Refused, match="can't be changed"):
        world.update_project(project.id, **fields)


def test_workspace_id_and_at_cannot_be_set(world: World) -> None:
    with pytest.raises(Refused, match="id can't be changed"):
        world.update_workspace(1, id=5)


def test_ids_can_be_chosen_but_not_taken_twice(world: World) -> None:
    chosen = world.create_client(1, "Acme", client_id=90_000_000)
    assert chosen.id + 1 == world.create_client(1, "Beta").id
    with pytest.raises(Refused, match="ID 90000000 has already been taken"):
        world.create_client(1, "Gamma", client_id=90_000_000)


@pytest.mark.parametrize(
    ("look", "kind"),
    [
        (lambda world: world.client(9), "client"),
        (lambda world: world.project(9), "project"),
        (lambda world: world.workspace(9), "workspace"),
        (lambda world: world.user("9"), "user"),
        (lambda world: world.clients_of(9), "workspace"),
        (lambda world: world.projects_of(9), "workspace"),
        (lambda world: world.projects_of_client(9), "client"),
        (lambda world: world.update_client(9), "client"),
        (lambda world: world.delete_client(9), "client"),
        (lambda world: world.update_project(9), "project"),
        (lambda world: world.delete_project(9), "project"),
        (lambda world: world.create_client(9, "x"), "workspace"),
        (lambda world: world.create_project(9, "x"), "workspace"),
        (lambda world: world.share("ann", 9), "workspace"),
        (lambda world: world.unshare("eve", 9), "workspace"),
    ],
)
def test_unknown_row_is_missing(world: World, look: Callable[[World], object], kind: str) -> None:
    with pytest.raises(Missing, match=f"No {kind} with ID 9 was found"):
        look(world)


def test_revoked_token_is_nobodys(world: World) -> None:
    """It leaves `tokens`, and its holder is not found by it."""
    assert world.tokens == {"ann": "a" * 32, "bob": "b" * 32, "eve": "e" * 32}
    assert world.user("bob") is world.user_of_token("b" * 32)
    world.revoke("bob")
    assert world.user_of_token("b" * 32) is None
    assert {"ann", "eve"} == world.tokens.keys()


@pytest.mark.parametrize(("name", "token"), [("ann", "0" * 32), ("dan", "a" * 32)])
def test_name_and_token_of_a_user_are_unique(world: World, name: str, token: str) -> None:
    with pytest.raises(Refused):
        world.add_user(name, token)


def test_membership_moves_the_users_revision(world: World) -> None:
    user = world.user("eve")
    before = user.revision
    world.share("eve", 1)
    assert before < user.revision
    before = user.revision
    world.unshare("eve", 1)
    assert before < user.revision
    assert user.access == {}


NAMES = st.sampled_from(["a", "A", "b", "c", " ", ""])
WRITES = st.lists(
    st.tuples(st.sampled_from(["create", "rename", "delete"]), st.sampled_from([1, 2]), NAMES, st.integers(0, 5)),
    max_size=30,
)


@settings(deadline=None, database=None)
@given(WRITES)
def test_names_stay_unique_and_listed_whatever_is_written(writes: list[tuple[str, int, str, int]]) -> None:
    """After any sequence of writes each workspace lists its clients once, under names that differ, and a write is
    refused if and only if the name is blank or another client has it."""
    world = World(lambda: datetime(2030, 1, 1, tzinfo=UTC))
    expected: dict[int, tuple[int, str]] = {}
    for workspace_id in (1, 2):
        world.create_workspace("w", workspace_id=workspace_id)
    for kind, workspace_id, name, nth in writes:
        client_id = sorted(expected)[nth % len(expected)] if expected else 0
        if kind == "delete" and expected:
            world.delete_client(client_id)
            del expected[client_id]
            continue
        home = workspace_id if kind != "rename" or not expected else expected[client_id][0]
        rivals = [key for key, value in expected.items() if value == (home, name)]
        legal = bool(name.strip()) and (not rivals or (kind == "rename" and rivals == [client_id]))
        try:
            if kind == "rename" and expected:
                world.update_client(client_id, name=name)
            else:
                client_id = world.create_client(home, name).id
        except Refused:
            assert not legal
        else:
            assert legal
            expected[client_id] = (home, name)
    for workspace_id in (1, 2):
        listed = [(row.id, row.name) for row in world.clients_of(workspace_id)]
        assert sorted((key, name) for key, (home, name) in expected.items() if home == workspace_id) == listed
        assert len(listed) == len({name for _, name in listed})


def test_deleted_workspace_takes_its_rows_and_its_members_rights_along(world: World) -> None:
    """Nothing of it is left, and the other workspace does not notice."""
    client = world.create_client(1, "Acme")
    world.create_project(1, "P", client.id)
    world.create_project(1, "Q")
    other = world.create_client(2, "Acme")
    world.delete_workspace(1)
    assert ([2], [other.id], []) == (list(world.workspaces), list(world.clients), list(world.projects))
    assert (world.user("ann").access, world.user("bob").access) == ({2: True}, {})
    with pytest.raises(Missing):
        world.delete_workspace(1)

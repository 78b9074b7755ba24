"""Tags of the emulated world: what a write does to them, and how both versions of the API show them."""

from typing import Any

import pytest

from syncd.emulator.model import World
from syncd.emulator.rows import Missing, Refused
from syncd.emulator.seed import generate
from tests.unit.emulator.caller import Caller
from tests.unit.emulator.conftest import HandClock


@pytest.fixture
def tagged(world: World) -> World:
    """Two tags in workspace 1, the second of which nobody is known to have made."""
    world.create_tag(1, "billed", tag_id=11, creator_id=7)
    world.create_tag(1, "urgent", tag_id=12)
    return world


def test_tags_are_shown_as_recorded(tagged: World, call: Caller) -> None:
    """v9 with a fraction and Z, in v8 with whole seconds; every member sees them."""
    assert tagged.tags_of(1)
    for who in ("ann", "bob"):
        assert call.ok(who, "GET", "v9/workspaces/1/tags") == [
            {"id": 11, "workspace_id": 1, "name": "billed", "at": "2030-01-01T12:00:00.75Z", "creator_id": 7},
            {"id": 12, "workspace_id": 1, "name": "urgent", "at": "2030-01-01T12:00:00.75Z"},
        ]
        assert call.ok(who, "GET", "v8/workspaces/1/tags") == [
            {"id": 11, "wid": 1, "name": "billed", "at": "2030-01-01T12:00:00+00:00"},
            {"id": 12, "wid": 1, "name": "urgent", "at": "2030-01-01T12:00:00+00:00"},
        ]
    assert call.ok("ann", "GET", "v9/workspaces/2/tags") == []
    related: Any = call.ok("bob", "GET", "v9/me?with_related_data=true")
    assert [tag["id"] for tag in related["tags"]] == [11, 12]


@pytest.mark.parametrize("path", ["v8/workspaces/1/tags", "v9/workspaces/1/tags"])
def test_a_stranger_sees_no_tags(tagged: World, call: Caller, path: str) -> None:
    """403, in the words of each version."""
    assert tagged.tags
    assert call("eve", "GET", path).status == 403


def test_a_renamed_tag_leaves_its_name_free(tagged: World, clock: HandClock, call: Caller) -> None:
    """`at` moves, and the page that was kept is not shown again."""
    call.ok("ann", "GET", "v9/workspaces/1/tags")
    clock.forward(60)
    tagged.update_tag(11, name="invoiced")
    assert [tag["name"] for tag in call.ok("ann", "GET", "v9/workspaces/1/tags")] == ["invoiced", "urgent"]
    assert tagged.tag(11).at == clock.at
    tagged.update_tag(12, name="billed")
    with pytest.raises(Refused, match="Name has already been taken"):
        tagged.update_tag(12, name="invoiced")


def test_a_deleted_tag_is_gone_and_its_id_can_come_back(tagged: World, call: Caller) -> None:
    """With its name, or another one."""
    tagged.delete_tag(11)
    assert [tag["id"] for tag in call.ok("ann", "GET", "v8/workspaces/1/tags")] == [12]
    with pytest.raises(Missing):
        tagged.delete_tag(11)
    tagged.create_tag(1, "billed", tag_id=11)
    assert [tag["id"] for tag in call.ok("ann", "GET", "v8/workspaces/1/tags")] == [11, 12]


@pytest.mark.parametrize("name", ["", " ", "x" * 256, "a\0b", "billed"])
def test_a_name_that_is_bad_or_taken_is_refused(tagged: World, name: str) -> None:
    """As with clients; another workspace may have the same."""
    with pytest.raises(Refused):
        tagged.create_tag(1, name)
    tagged.create_tag(2, "billed")


def test_tags_go_with_their_workspace(tagged: World) -> None:
    """As all that is in it."""
    tagged.delete_workspace(1)
    assert tagged.tags == {}


def test_a_made_up_world_has_as_many_tags_as_asked_for(clock: HandClock) -> None:
    """And is else the same as one without."""
    sizes = {"seed": 1, "tokens": 1, "workspaces": 2, "clients": 3, "projects": 2}
    bare, tagged = (generate(**sizes, tags=tags, now=clock.now) for tags in (0, 20))
    assert [len(tagged.tags_of(wid)) for wid in tagged.workspaces] == [20, 20]
    assert (bare.clients, bare.projects) == (tagged.clients, tagged.projects)

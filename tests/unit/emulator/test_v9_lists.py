"""What v9 lists, page by page, to whom, and as what nobody knows about it is switched."""

from itertools import chain

from syncd.emulator.model import World
from syncd.emulator.switches import Switches
from tests.unit.emulator.caller import Caller


def walk(call: Caller, path: str) -> list[list[int]]:
    """All pages up to the first empty one."""
    pages: list[list[int]] = []
    while not pages or pages[-1]:
        pages.append(call.ids("ann", f"{path}page={len(pages) + 1}"))
    return pages


def test_pages_hold_151_rows_and_never_more_than_200(world: World) -> None:
    ids = [world.create_project(2, f"p{n}").id for n in range(401)]
    call, path = Caller(world), "v9/workspaces/2/projects?"
    assert [len(page) for page in walk(call, path)] == [151, 151, 99, 0]
    assert [len(page) for page in walk(call, f"{path}per_page=500&")] == [200, 200, 1, 0]
    assert list(chain(*walk(call, f"{path}per_page=7&"))) == ids
    short = Caller(world, switches=Switches(short_pages=True, per_page_over_max="refuse"))
    assert [len(page) for page in walk(short, f"{path}per_page=200&")] == [199, 200, 2, 0]
    assert list(chain(*walk(short, f"{path}per_page=7&"))) == ids
    assert len(list(chain(*walk(short, f"{path}per_page=1&")))) == 401
    assert short.error("ann", "GET", f"{path}per_page=201") == (400, "Invalid per_page")
    assert len(call.ids("ann", "v9/me/projects/paginated")) == 201


def test_switches_decide_what_nobody_knows(call: Caller) -> None:
    other = Caller(
        call.world,
        switches=Switches(
            default_sort="name", notes_in_lists=False, me_clients_archived=False, foreign_status=404,
            duplicate_name_status=409, archive_is_paid=False,
        ),
    )  # fmt: skip
    assert other.ids("ann", "v9/workspaces/1/projects") == [2, 5, 1, 3]
    assert "notes" not in other.ok("ann", "GET", "v9/workspaces/1/clients")[0]
    assert other.ok("ann", "GET", "v9/workspaces/1/clients/1")["notes"] == "n"
    assert other.ids("ann", "v9/me/clients") == [1, 4]
    assert other.error("bob", "GET", "v9/workspaces/2/clients")[0] == 404
    assert other.error("bob", "GET", "v9/workspaces/1/projects/3")[0] == 404
    assert other.error("ann", "POST", "v9/workspaces/1/clients", {"name": "Acme"})[0] == 409
    assert other.ok("ann", "POST", "v9/workspaces/2/clients/4/archive") == []


def test_me_tells_who_one_is_and_all_one_sees(call: Caller) -> None:
    me = call.ok("ann", "GET", "v9/me")
    assert (me["id"], me["api_token"], me["default_workspace_id"]) == (call.world.user("ann").id, "a" * 32, 1)
    assert not {"clients", "projects", "workspaces", "tasks"} & me.keys()
    related = call.ok("ann", "GET", "v9/me?with_related_data=true")
    assert {**related, **me} == related
    assert [row["id"] for row in related["projects"]] == [1, 2, 3, 5]
    assert [row["id"] for row in related["clients"]] == [1, 4, 6]
    assert related["workspaces"] == call.ok("ann", "GET", "v9/workspaces")
    assert call("ann", "GET", "v9/me/logged").body == b""


def test_lists_are_rendered_once_until_something_in_them_changes(call: Caller) -> None:
    paths = (
        "me/clients",
        "me/projects",
        "workspaces",
        "me/workspaces",
        "workspaces/1/clients",
        "workspaces/1/projects",
    )
    kept = {path: call("ann", "GET", f"v9/{path}") for path in paths}
    assert all(kept[path] is call("ann", "GET", f"v9/{path}") for path in paths)
    call.world.track(1, 1)
    assert not any(kept[path] is call("ann", "GET", f"v9/{path}") for path in paths)


def test_each_list_is_kept_apart_from_its_neighbours(call: Caller) -> None:
    """One after the other, in one world: no page is served in place of another. Carl is a member where Ann is an
    admin, and as much has happened to him."""
    call.world.add_user("carl", "c" * 32)
    call.world.share("carl", 1)
    call.world.share("carl", 2)
    expected = {
        ("ann", "workspaces/1/projects"): [1, 2, 3, 5],
        ("bob", "workspaces/1/projects"): [1, 2, 5],
        ("ann", "workspaces/1/projects?page=2"): [],
        ("ann", "workspaces/2/projects"): [],
        ("ann", "workspaces/1/clients"): [1],
        ("ann", "workspaces/1/clients?status=both"): [1, 6],
        ("ann", "workspaces/1/clients?name=x"): [],
        ("ann", "workspaces/2/clients"): [4],
        ("ann", "me/clients"): [1, 4, 6],
        ("bob", "me/clients"): [1, 6],
        ("ann", "me/projects"): [1, 3, 5],
        ("ann", "me/projects?include_archived=true"): [1, 2, 3, 5],
        ("carl", "me/projects"): [1, 5],
        ("ann", "me/workspaces"): [1, 2],
        ("bob", "workspaces"): [1],
    }
    for _ in range(2):
        assert {key: call.ids(key[0], f"v9/{key[1]}") for key in expected} == expected

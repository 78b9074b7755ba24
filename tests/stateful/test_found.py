"""Sequences that the machine found, or nearly did: each once left the mirror wrong."""

from collections.abc import Iterator
from datetime import timedelta

import pytest

from tests.postgres_fixture import Cluster
from tests.stateful.play import Play
from tests.stateful.source_rules import TOKENS


@pytest.fixture
def play(cluster: Cluster, migrated_template: str) -> Iterator[Play]:
    """What is played must end well: see `MirrorMachine.quiesce`."""
    Play.cluster, Play.template = cluster, migrated_template
    play = Play()
    yield play
    play.teardown()


def test_a_row_deleted_before_its_token_lists_by_workspace(play: Play) -> None:
    """A member becomes an admin and lists another way: what it missed meanwhile stays missed."""
    play.start(t0=["member", "member", "none"])
    play.pull_once("t0")
    play.change_right(token="t0", workspace_id=2, right="admin")
    play.delete(pick=play.project(2), kind="project")
    play.pull_once("t0", full=True)


def test_a_row_deleted_while_its_token_lists_by_client(play: Play) -> None:
    """An admin is a member for a while: what its way of listing hid, it must miss again afterwards."""
    play.start(t0=["admin", "admin", "none"])
    play.pull_once("t0")
    play.change_right(token="t0", workspace_id=1, right="member")
    play.pull_once("t0")
    play.delete(pick=play.project(1, loose=True), kind="project")
    play.pull_once("t0")
    play.change_right(token="t0", workspace_id=1, right="admin")
    play.pull_once("t0", full=True)


def test_what_a_listing_hides_is_not_gone(play: Play) -> None:
    """A member cannot see the projects without client that it saw as an admin: that proves nothing."""
    play.start(t0=["admin", "admin", "none"])
    play.pull_once("t0")
    live = len(play.before.live())
    play.change_right(token="t0", workspace_id=1, right="member")
    for _ in range(5):
        play.time_passes(what="an hour")
        play.pull_once("t0", full=True)
    assert len(play.before.live()) == live


def test_the_owner_is_rejected_after_another_failure(play: Play) -> None:
    """Those who share its rows must look again, whatever it failed of before."""
    play.start(t0=["admin", "none", "none"], t1=["member", "none", "none"])
    play.pull_each(order=["t0", "t1", "t2"], times=3, ripens=False)
    play.pull_through_a_fault(token="t0", kind="status 503", place="workspaces", lasts=True, pulls=1)
    play.revoke_or_give_back(token="t0", revoked=True)
    play.pull_once("t0")
    play.pull_once("t1")


def test_a_row_reappears_while_it_is_being_buried(play: Play) -> None:
    """A pull that began before the burial must not raise the row, and must not hide from the next pull that it is
    there."""
    play.start(t0=["admin", "none", "none"], t1=["member", "none", "none"])
    play.pull_each(order=["t0", "t1", "t2"], times=2, ripens=False)
    pick = play.project(1)
    play.delete(pick=pick, kind="project")
    for token in ("t0", "t1", "t0", "t1"):
        play.pull_once(token)
    live = len(play.before.live())
    play.hold(token="t1", place="all answers", full=False)
    play.bring_back(pick=0, kind="same row")
    play.edit_project(pick=pick, kind="hide", tick=False)
    play.hold(token="t0", place="all answers", full=False)
    play.release(pick=0)
    assert len(play.before.live()) == live - 1, "it was not buried"
    play.release(pick=0)
    assert len(play.before.live()) == live - 1, "an old answer raised it"


def test_hidden_rows_of_different_ages_let_their_token_settle(play: Play) -> None:
    """What an admin sees and a member does not is counted by nobody, and by no two cohorts in turn."""
    play.start(t0=["admin", "none", "none"], t1=["member", "admin", "admin"], t2=["none", "member", "member"])
    play.pull_each(order=["t0", "t1", "t2"], times=2, ripens=False)
    play.create(resource="project", workspace_id=1, to=0)
    play.create(resource="project", workspace_id=3, to=2)
    play.delete(pick=2, kind="client")
    play.pull_each(order=["t2", "t0", "t1"], times=3, ripens=False)
    play.create(resource="project", workspace_id=3, to=67)
    play.edit_project(pick=10, kind="hide", tick=False)


def test_what_was_buried_comes_back(play: Play) -> None:
    """With a version of its own, at the first pull that shows it."""
    play.start(t0=["admin", "none", "none"], t1=["member", "none", "none"])
    play.pull_each(order=["t0", "t1", "t2"], times=1, ripens=False)
    live = len(play.before.live())
    play.delete(pick=play.project(1), kind="project")
    play.pull_each(order=["t0", "t1", "t2"], times=4, ripens=True)
    assert len(play.before.live()) == live - 1, "it was not buried"
    play.bring_back(pick=0, kind="same row")
    play.pull_once("t1")
    assert len(play.before.live()) == live


def test_a_row_that_the_source_set_back(play: Play) -> None:
    """It is believed at the third pull in a row that shows it, no sooner."""
    play.start(t0=["none", "admin", "none"])
    play.pull_once("t0")
    pick = play.project(2)
    play.edit_project(pick=pick, kind="rename", tick=True)
    play.pull_once("t0")
    renamed = play.before.live()
    play.set_back(pick=pick, age=0, resource="project")
    for _ in range(2):
        play.pull_once("t0")
        assert play.before.live() == renamed
    play.pull_once("t0")
    assert play.before.live() != renamed


def test_clients_that_are_not_listed_take_no_projects_with_them(play: Play) -> None:
    """Asked client by client, a member is told of no project where it is told of no client."""
    play.start(t0=["member", "member", "member"])
    play.pull_once("t0")
    live = play.before.live()
    play.pull_through_a_fault(token="t0", kind="status 404", place="clients", lasts=True, pulls=4)
    assert play.before.live() == live


def test_rights_that_end_between_two_answers_of_a_pull(play: Play) -> None:
    """Who was an admin when the workspaces were told owns what it saw, until its next pull."""
    play.start(t0=["member", "admin", "admin"], t1=["admin", "admin", "admin"])
    play.hold(full=False, place="workspaces", token="t1")
    play.delete(kind="client", pick=0)
    play.change_right(right="member", token="t1", workspace_id=1)
    play.release(pick=0)
    play.bring_back(kind="same row", pick=0)


def test_a_client_is_deleted_that_a_project_had_just_left(play: Play) -> None:
    """The mirror knew the project as one of that client; without a client it never was."""
    play.start(t0=["admin", "admin", "admin"], t1=["admin", "admin", "admin"], t2=["admin", "admin", "admin"])
    play.pull_once("t0")
    play.create(resource="project", to=0, workspace_id=1)
    for pick in range(12):
        play.move_project(pick=pick, tick=False, to=1)
    for pick in range(3):
        play.write(kind="delete", pick=pick, token="t0")


def test_a_project_that_a_write_met_is_none_that_its_token_misses(play: Play) -> None:
    """An admin who still lists client by client deletes a client, and hears of a private project that is left alone."""
    play.start(t0=["member", "admin", "admin"], t1=["member", "admin", "admin"], t2=["member", "admin", "admin"])
    play.pull_once("t0")
    play.change_right(right="admin", token="t0", workspace_id=1)
    play.write(kind="delete", pick=0, token="t0")
    play.pull_each(order=["t0", "t1", "t2"], ripens=False, times=3)


def test_a_private_row_waits_for_its_admin_however_it_is_listed(play: Play) -> None:
    """Listed by client all along: what the token saw as an admin, and sees no longer, may still be there."""
    everybody = {token: ["admin", "admin", "admin"] for token in TOKENS}
    play.begin(rights=everybody, projects="client", min_age=timedelta(0), confirmations=2)
    play.pull_each(order=TOKENS, times=1, ripens=False)
    play.change_right(right="member", token="t1", workspace_id=1)
    play.pull_each(order=TOKENS, times=1, ripens=True)
    play.reconfigure(count=1, order=["t1", "t0", "t2"])
    play.delete(kind="client", pick=2)
    play.pull_each(order=TOKENS, times=3, ripens=True)
    assert any(key[0] == "project" and row.state[4] and row.state[0] == 1 for key, row in play.before.live().items())


def test_a_client_is_deleted_whose_new_project_only_another_token_has_seen(play: Play) -> None:
    """Whoever deletes it hears of the project for the first time: it has no client any more, whoever shows it."""
    play.start(t0=["admin", "admin", "admin"], t1=["admin", "admin", "admin"])
    play.pull_once("t0")
    for to in range(1, 5):
        play.create(resource="project", to=to, workspace_id=1)
    play.pull_once("t1")
    for pick in range(4):
        play.write(kind="delete", pick=pick, token="t0")

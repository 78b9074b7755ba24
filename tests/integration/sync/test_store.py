"""What the transaction guards: the fence, stubs, quarantine, ids that live elsewhere; and the SQL against its model."""

import asyncio
from datetime import timedelta
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from syncd.errors import FencedOut, InvariantViolated
from syncd.plan import Diff
from syncd.postgres.database import Database
from syncd.postgres.pool import open_pool
from syncd.postgres.store import Store
from syncd.postgres.writer import Begun
from syncd.records import Client, Resource, Snapshot, Workspace, WorkspaceSnapshot
from syncd.sync.deletes import DeleteRules
from syncd.sync.planning import Pulling
from syncd.toggl.dialect import basic_auth
from tests import planned
from tests.integration.sync.conftest import Mirror, mirror_of, register
from tests.model import a_client, apply, content, stored
from tests.property.sync.test_diff_properties import by_id, clients, projects
from tests.servers import serve_handler
from tests.unit.toggl.answers import client, project

NO_DELETES = DeleteRules(enabled=False)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)


class Source:
    """A v8 server of one token, whose lists a test sets freely."""

    def __init__(self) -> None:
        self.workspaces: Any = [{"id": 1, "name": "One"}]
        self.clients: Any = []
        self.projects: dict[int, Any] = {}

    async def serve(self, request: web.BaseRequest) -> web.StreamResponse:
        parts = request.path.strip("/").split("/")[2:]
        match parts:
            case ["workspaces"]:
                return web.json_response(self.workspaces)
            case ["clients"]:
                return web.json_response(self.clients)
            case ["workspaces", id_, "projects"]:
                return web.json_response(self.projects.get(int(id_), []))
        return web.Response(status=404)


@pytest.fixture
async def source_mirror(database: Database, session: aiohttp.ClientSession) -> Any:
    source = Source()
    async with serve_handler(source.serve) as url:
        yield source, await mirror_of(database, session, url, {"t0": "x"})


async def begin(store: Store, token: str = "t0") -> Begun:
    return await store.begin(token, timeout=HOUR, full_every=DAY)


async def test_the_pull_that_began_last_wins(mirror: Mirror) -> None:
    """An older one is refused, whatever it holds, and its end is not noted."""
    older, newer = await begin(mirror.store), await begin(mirror.store)
    assert newer.pull_id > older.pull_id
    with pytest.raises(FencedOut):
        async with mirror.store.workspace(older, 777):
            pass
    async with mirror.store.workspace(newer, 777):
        pass
    assert await mirror.store.finish_changed(older, 1, None, b"x", 0, [], is_whole=True) is None
    assert await mirror.value("SELECT digest FROM syncd.tokens") is None


async def test_a_fenced_out_pull_is_reported(mirror: Mirror, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another process took over while we fetched: nothing of ours is written."""
    original = mirror.store.begin

    async def overtaken(*arguments: Any, **more: Any) -> Begun:
        ours = await original(*arguments, **more)
        await original(*arguments, **more)
        return ours

    monkeypatch.setattr(mirror.store, "begin", overtaken)
    report = await mirror.pull()
    assert (report.result, report.reason) == ("failed", "fenced_out")
    assert await mirror.value("SELECT count(*) FROM toggl.clients") == 0


async def test_two_pulls_of_one_workspace_take_turns(mirror: Mirror) -> None:
    """The second transaction waits for the first: they never plan on the same stored rows."""
    await register(mirror.database, "t0", "t1")
    first, second = await begin(mirror.store, "t0"), await begin(mirror.store, "t1")
    order: list[str] = []

    async def later() -> None:
        async with mirror.store.workspace(second, 777):
            order.append("second")

    async with mirror.store.workspace(first, 777):
        waiting = asyncio.create_task(later())
        waits = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
        while not await mirror.value(waits):  # noqa: ASYNC110 - only the server knows who waits
            await asyncio.sleep(0)
        order.append("first")
    await waiting
    assert order == ["first", "second"]


async def test_a_stub_parent_is_filled_when_it_appears(source_mirror: tuple[Source, Mirror]) -> None:
    """It makes the foreign key real at once, and its first version begins when it is seen."""
    source, mirror = source_mirror
    source.projects = {1: [project(5, cid=7)]}
    report = await mirror.pull()
    assert (report.counts["client"].stubs, report.result) == (1, "changed")
    assert await mirror.rows("SELECT id, name, _is_stub FROM toggl.clients") == [(7, None, True)]
    assert await mirror.value("SELECT count(*) FROM toggl.clients_history") == 0
    source.clients = [client(7, name="Seen")]
    report = await mirror.pull()
    assert (report.counts["client"].inserted, report.counts["client"].stubs) == (1, 0)
    assert await mirror.rows("SELECT name, _is_stub FROM toggl.clients") == [("Seen", False)]
    assert await mirror.rows("SELECT name, change_kind, is_current, valid_from FROM toggl.clients_history") == [
        ("Seen", "insert", True, report.began_at)
    ]


async def test_i14_a_malformed_record_is_put_aside_and_released(source_mirror: tuple[Source, Mirror]) -> None:
    """Its neighbours are stored; when the source sends it well, it leaves quarantine and arrives."""
    source, mirror = source_mirror
    source.clients = [client(n) for n in range(1, 101)]
    source.clients[49]["at"] = "never"
    report = await mirror.pull()
    assert (report.result, report.counts["client"].inserted, report.counts["client"].quarantined) == ("partial", 99, 1)
    assert report.quarantined == [("client", "50", "malformed")]
    assert await mirror.value("SELECT quarantined FROM toggl.sync_status") == 1
    again = await mirror.pull()
    assert (again.result, again.quarantined, again.counts["client"].quarantined) == ("partial", [], 1)
    source.clients[49] = client(50)
    report = await mirror.pull()
    assert (report.result, report.released, report.counts["client"].inserted) == ("changed", [("client", "50")], 1)
    assert await mirror.value("SELECT quarantined FROM toggl.sync_status") == 0


async def test_an_id_that_lives_in_another_workspace_is_put_aside(source_mirror: tuple[Source, Mirror]) -> None:
    """A workspace never changes, says the API; the rest of both workspaces is mirrored."""
    source, mirror = source_mirror
    source.workspaces = [{"id": 1, "name": "One"}, {"id": 2, "name": "Two"}]
    source.projects = {1: [project(5), project(6)], 2: [project(5, wid=2), project(8, wid=2)]}
    report = await mirror.pull()
    assert report.quarantined == [("project", "5", "workspace_changed")]
    assert await mirror.rows("SELECT id, workspace_id FROM toggl.projects ORDER BY id") == [(5, 1), (6, 1), (8, 2)]


@pytest.mark.parametrize("others", [(2, 3, 4, 6), (3, 7, 8), (6, 7, 8)])
async def test_of_many_new_rows_only_the_refused_one_is_put_aside(
    source_mirror: tuple[Source, Mirror], others: tuple[int, ...]
) -> None:
    """Wherever among them it stands."""
    source, mirror = source_mirror
    source.workspaces = [{"id": 1, "name": "One"}, {"id": 2, "name": "Two"}]
    source.projects = {1: [project(5)]}
    await mirror.pull()
    source.projects[2] = [project(id_, wid=2) for id_ in sorted((5, *others))]
    report = await mirror.pull()
    assert report.quarantined == [("project", "5", "workspace_changed")]
    assert await mirror.rows("SELECT id FROM toggl.projects WHERE workspace_id = 2 ORDER BY id") == [
        (id_,) for id_ in others
    ]


async def test_a_second_token_does_not_count_the_first_one_s_rows_as_absent(
    database: Database, session: aiohttp.ClientSession
) -> None:
    """What a token never saw, it cannot miss."""
    source = Source()
    async with serve_handler(source.serve) as url:
        mirror = await mirror_of(database, session, url, {"t0": "x", "t1": "y"})
        source.clients = [client(1), client(2)]
        await mirror.pull("t0")
        source.clients = [client(1)]
        report = await mirror.pull("t1")
    assert report.counts["client"].delete_candidates == 0


async def test_a_row_that_its_owner_no_longer_sees_is_shown_as_its_heir_sees_it(
    database: Database, session: aiohttp.ClientSession
) -> None:
    """The heir's answers did not change, and it looks at them again all the same."""
    views = {"x": [client(1, name="as t0 sees it"), client(2)], "y": [client(1, name="as t1 sees it"), client(2)]}

    async def serve(request: web.BaseRequest) -> web.StreamResponse:
        secret = next(s for s in views if basic_auth(s) == request.headers["Authorization"])
        if request.path.endswith("/workspaces"):
            return web.json_response([{"id": 1, "name": "One"}])
        return web.json_response(views[secret] if request.path.endswith("/clients") else [])

    async with serve_handler(serve) as url:
        mirror = await mirror_of(database, session, url, {"t0": "x", "t1": "y"})
        for token in ("t0", "t1", "t0", "t1"):
            await mirror.pull(token)
        assert await mirror.value("SELECT name FROM toggl.clients WHERE id = 1") == "as t0 sees it"
        views["x"] = [client(2)]
        lost, inherited = await mirror.pull("t0"), await mirror.pull("t1")
    assert [(n.kind, n.detail, n.count) for n in lost.notices if n.kind == "owner_changed"] == [
        ("owner_changed", "t1", 1)
    ]
    assert (inherited.full, inherited.counts["client"].updated) == (True, 1)
    assert await mirror.value("SELECT name FROM toggl.clients WHERE id = 1") == "as t1 sees it"


async def test_a_plan_that_the_rows_do_not_fit_is_rolled_back(mirror: Mirror) -> None:
    """More was planned than written: something that cannot be, and better noticed than kept."""
    begun = await begin(mirror.store)
    changes: Diff[Client] = Diff([a_client(1, workspace_id=777)], [(a_client(2, workspace_id=777), "update")], 0, [])

    async def write() -> None:
        async with mirror.store.workspace(begun, 777) as writer:
            await writer.write_workspace("x")
            await writer.write_rows("client", changes, [])

    with pytest.raises(InvariantViolated, match="clients superseded: expected 1, found 0"):
        await write()
    assert await mirror.value("SELECT count(*) FROM toggl.clients") == 0


async def test_foreign_keys_are_checked_by_index_however_small_the_table(mirror: Mirror) -> None:
    """The few workspaces fit a page, which the planner would rather read whole, once for every row that is written."""
    async with mirror.database.connection() as connection:
        await connection.execute("ANALYZE toggl.workspaces")
    begun = await begin(mirror.store)
    changes: Diff[Client] = Diff([a_client(id_, workspace_id=777) for id_ in range(1, 10)], [], 0, [])
    async with mirror.store.workspace(begun, 777) as writer:
        await writer.write_workspace("x")
        await writer.write_rows("client", changes, [])
        scans = "SELECT seq_scan FROM pg_stat_xact_user_tables WHERE relid = 'toggl.workspaces'::regclass"
        assert await writer._connection.fetchval(scans) == 0


@given(st.lists(st.one_of(st.lists(clients, max_size=5), st.lists(projects, max_size=5)), min_size=1, max_size=6))
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_the_sql_does_what_the_model_says(cluster: Any, migrated_template: str, history: list[list[Any]]) -> None:
    """Whatever snapshots come: rows as in the model, and a version for every change and none besides."""
    url = cluster.create(migrated_template)
    try:
        with asyncio.Runner(loop_factory=asyncio.new_event_loop) as runner:
            runner.run(_against_model(url, history))
    finally:
        cluster.drop(url)


async def _against_model(url: str, history: list[list[Any]]) -> None:
    pool = await open_pool(url, size=2, connect_timeout_s=10)
    database = Database(pool, "model")
    store = Store(database)
    await register(database, "t0")
    model: dict[Resource, dict[int, Any]] = {"client": {}, "project": {}}
    updates = 0
    for records in history:
        begun = await begin(store)
        kind: Resource = "client" if not records or hasattr(records[0], "notes") else "project"
        seen: dict[Resource, dict[int, Any]] = {resource: {} for resource in model}
        seen[kind] = by_id(records)
        snapshot = WorkspaceSnapshot(
            Workspace(1, "One"), {resource: Snapshot("workspace", rows) for resource, rows in seen.items()}
        )
        async with store.workspace(begun, 1) as writer:
            made = await planned.apply(writer, snapshot, Pulling("t0", 0, begun.began_at, NO_DELETES))
        for resource, diffs in made.diffs.items():
            for changes in diffs:
                model[resource] = apply(model[resource], changes)
                updates += [change for _, change in changes.changes].count("update")
        model["client"] |= {id_: stored(None) for id_ in made.stubs}
    await _compare(database, model, updates)
    await pool.close()


async def _compare(database: Database, model: dict[Resource, dict[int, Any]], updates: int) -> None:
    """Rows equal the model; versions are as many as updates, touch one another, and end in the row."""
    store = Store(database)
    async with store.workspace(await begin(store), 1) as writer:
        there = await writer.read(model)
        found = {resource: await writer.read_rows(resource, list(scope.known)) for resource, scope in there.items()}
    for name, rows in found.items():
        assert {id_: _plain(row) for id_, row in rows.items()} == {id_: _plain(row) for id_, row in model[name].items()}
    async with database.connection() as connection:
        superseded = await connection.fetchval(
            "SELECT (SELECT count(*) FROM syncd.client_versions) + (SELECT count(*) FROM syncd.project_versions)"
        )
        broken = await connection.fetch("""
            SELECT id FROM (SELECT id, valid_to, is_current, change_kind,
                                   lead(valid_from) OVER w AS next, lag(end_kind) OVER w AS ended
                            FROM (SELECT id, valid_from, valid_to, is_current, change_kind, end_kind
                                  FROM toggl.clients_history
                                  UNION ALL SELECT -id, valid_from, valid_to, is_current, change_kind, end_kind
                                  FROM toggl.projects_history) v WINDOW w AS (PARTITION BY id ORDER BY valid_from)) h
            WHERE valid_to IS DISTINCT FROM next OR is_current IS DISTINCT FROM (next IS NULL)
               OR change_kind <> coalesce(ended, 'insert')""")
    assert (superseded, broken) == (updates, [])


def _plain(row: Any) -> Any:
    return None if row.record is None else content(row.record)

"""The mirror on every PostgreSQL major that is on this machine: the embedded one, and the oldest that we promise."""

from pathlib import Path

import pytest

from syncd.emulator import seed
from syncd.emulator.server import Emulator
from syncd.postgres.database import Database
from syncd.postgres.embedded import EmbeddedPostgres
from syncd.postgres.migrate import migrate
from syncd.postgres.pool import open_pool
from syncd.toggl.session import open_session
from tests.integration.sync.conftest import mirror_of

DEBIAN = sorted(Path("/usr/lib/postgresql").glob("*/bin"))


@pytest.mark.parametrize("bindir", [None, *DEBIAN], ids=lambda path: path.parent.name if path else "embedded")
async def test_a_mirror_begins_and_goes_on(
    bindir: Path | None, data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Migrations, a first pull, an unchanged one, an update with its version."""
    if bindir is not None:
        monkeypatch.setenv("SYNCD_PG_BINDIR", str(bindir))
    world = seed.documented()
    async with await EmbeddedPostgres.open(data_dir) as server, Emulator(world) as emulator, open_session() as session:
        pool = await open_pool(server.url, size=2, connect_timeout_s=10)
        async with pool.acquire() as connection:
            assert await migrate(connection) > 0
        mirror = await mirror_of(Database(pool, "here"), session, emulator.url, dict(world.tokens))
        results = [(await mirror.pull()).result, (await mirror.pull()).result]
        world.update_client(1239456, name="Big Startup")
        results.append((await mirror.pull()).result)
        assert results == ["changed", "unchanged", "changed"]
        assert await mirror.value("SELECT count(*) FROM toggl.clients_history WHERE id = 1239456") == 2
        assert await mirror.value("SELECT staleness_seconds < 60 FROM toggl.sync_status")
        await pool.close()

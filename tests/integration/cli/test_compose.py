"""What docker-compose.yml sets up, without its engine: the same commands, settings and scripts, on processes."""

import json
import os
import re
import subprocess
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import asyncpg
import pytest
from ruamel.yaml import YAML

from syncd.emulator.server import Emulator
from syncd.postgres import binaries
from syncd.postgres.embedded import EmbeddedPostgres
from tests.integration.cli.stage import CANARY_TOKEN
from tests.postgres_fixture import UNSAFE_BUT_FAST
from tests.processes import Syncd

ROOT = Path(__file__).parents[3]
SERVICES: dict[str, dict[str, Any]] = YAML(typ="safe").load((ROOT / "docker-compose.yml").read_text())["services"]
WRITER, READER = "wr!ter's p@ssword", 'reader\\\'s "password"'


@pytest.fixture
async def server(data_dir: Path) -> AsyncIterator[EmbeddedPostgres]:
    """A cluster of its own, for roles belong to the whole of it."""
    async with await EmbeddedPostgres.open(data_dir, settings=UNSAFE_BUT_FAST) as server:
        yield server


@pytest.fixture
def secrets(tmp_path: Path, server: EmbeddedPostgres) -> Path:
    """The files that the head of docker-compose.yml tells to make."""
    secrets = tmp_path / "secrets"
    (secrets / "tokens").mkdir(parents=True)
    texts = {"postgres_password": urlsplit(server.url).password, "writer_password": WRITER, "reader_password": READER}
    for name, text in {**texts, "tokens/acme": CANARY_TOKEN}.items():
        (secrets / name).write_text(f"{text}\n")
        (secrets / name).chmod(0o600)
    return secrets


def environment_of(service: str, replaced: Mapping[str, str]) -> dict[str, str]:
    """The environment of a service, with what is elsewhere here."""
    environment: dict[str, str] = SERVICES[service]["environment"]
    for there, here in replaced.items():
        environment = {name: value.replace(there, here) for name, value in environment.items()}
    return environment


def make_roles(server: EmbeddedPostgres, secrets: Path) -> None:
    """As the entry point of PostgreSQL's image runs the script."""
    parts = urlsplit(server.url)
    bindir = binaries.find(os.environ).bindir
    environ = {
        "PATH": f"{bindir}:{os.environ['PATH']}",
        "SECRETS": str(secrets),
        "POSTGRES_USER": str(parts.username),
        "POSTGRES_DB": parts.path.strip("/"),
        "PGHOST": str(parts.hostname),
        "PGPORT": str(parts.port),
        "PGPASSWORD": str(parts.password),
    }
    subprocess.run(["sh", ROOT / "deploy" / "postgres" / "roles.sh"], env=environ, check=True)


async def test_service_mirrors_as_the_writer_and_bi_reads_as_the_reader(
    syncd: Syncd, server: EmbeddedPostgres, secrets: Path, toggl: Emulator
) -> None:
    """From an empty cluster to rows, with the passwords of the secrets and no rights but those of the roles."""
    make_roles(server, secrets)
    place = urlsplit(server.url).netloc.rpartition("@")[2]
    replaced = {"postgres@postgres:5432": f"syncd@{place}", "postgres:5432": place, "/run/secrets": str(secrets)}

    migrated = await syncd(*SERVICES["migrate"]["command"], environ=environment_of("migrate", replaced))
    assert migrated.exit_code == 0, migrated.stderr
    source = {"SYNCD_TOGGL__BASE_URL": toggl.url, "SYNCD_TOGGL__REQUESTS_PER_SECOND": "0"}
    pulled = await syncd("once", environ=environment_of("syncd", replaced) | source)
    assert pulled.exit_code == 0, pulled.stderr

    url = urlunsplit(urlsplit(server.url)._replace(netloc=f"syncd_reader@{place}"))
    reader = await asyncpg.connect(url, password=READER, ssl=False)
    try:
        assert await reader.fetchval("SELECT count(*) FROM toggl.clients_current") == 2
        with pytest.raises(asyncpg.PostgresError):
            await reader.execute("DELETE FROM toggl.clients")
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await reader.fetchval("SELECT count(*) FROM syncd.tokens")
    finally:
        await reader.close()


async def test_demo_mirrors_its_emulator(syncd: Syncd, database_url: str) -> None:
    """With the token that is written down in the file, in the dialect that is the default."""
    command = [*SERVICES["emulator"]["command"]]
    command[command.index("--host") + 1] = "127.0.0.1"
    command[command.index("--port") + 1] = "0"
    async with syncd.running(*command, "--json", tells_secrets=True) as emulator:
        url = json.loads(await emulator.line())["url"]
        place = re.sub(r"^postgresql://", "", database_url)
        environ = environment_of("demo", {"http://emulator:8080": url, "postgres:demo@demo-postgres:5432/demo": place})
        pulled = await syncd("once", "--json", environ=environ | {"SYNCD_TOGGL__REQUESTS_PER_SECOND": "0"})
    assert pulled.exit_code == 0, pulled.stderr
    (report,) = pulled.answer
    assert report["inserted"] > 0, report

"""The tools, each with one way to sync once. What they need is written where they look for it; nothing else is set."""

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any, NamedTuple, Protocol
from urllib.parse import unquote, urlsplit

from tests.compare.stage import Databases, Travel
from tests.contract.emulated import Emulated
from tests.environments import bin_of, version_of

HERE = Path(__file__).parent
WITHIN_S = 300


@dataclass(slots=True)
class Place:
    """Where a tool runs: its own directory and databases, and the account that it is to copy."""

    directory: Path
    travel: Travel
    databases: Databases
    toggl: Emulated

    def run(self, *stages: tuple[list[str | Path], dict[str, str]], state: Path | None = None) -> bool:
        """Run a pipe of commands, and keep what the last one prints last. False if any failed."""
        running: list[subprocess.Popen[bytes]] = []
        with (self.directory / "log").open("ab") as log:
            for command, env in stages:
                given = running[-1].stdout if running else subprocess.DEVNULL
                surroundings = {"PATH": os.environ["PATH"], "HOME": str(self.directory), **env}
                running.append(
                    subprocess.Popen(
                        [str(part) for part in command],
                        env=surroundings,
                        cwd=self.directory,
                        stdin=given,
                        stdout=subprocess.PIPE,
                        stderr=log,
                    )
                )
                if given is not None and not isinstance(given, int):
                    given.close()
            printed = running[-1].communicate(timeout=WITHIN_S)[0].splitlines()
            codes = [process.wait(WITHIN_S) for process in running]
        if state is not None and printed:
            state.write_bytes(printed[-1])
        return not any(codes)


class Face(NamedTuple):
    """A mirror that a tool keeps. The queries give (id, is_archived, is_deleted)."""

    name: str
    clients: str
    projects: str


class Peer(Protocol):
    """A tool under comparison. One that can write in several modes keeps several mirrors of what it read."""

    faces: tuple[Face, ...]

    def prepare(self, place: Place) -> str:
        """Set up; gives the URL of the database that it will fill."""
        ...

    def sync(self, place: Place) -> bool:
        """One sync; False if the tool says that it failed."""
        ...

    def version(self) -> str:
        """Names and versions of the packages."""
        ...


class Singer:
    """tap-toggl into target-postgres, as the two READMEs put it; clients and projects selected."""

    faces: tuple[Face, ...] = (
        Face(
            "tap-toggl with target-postgres",
            "SELECT id, archived, false FROM toggl.clients",
            "SELECT id, NOT active, false FROM toggl.projects",
        ),
    )

    def prepare(self, place: Place) -> str:
        url = place.databases.create("singer")
        config = {"api_token": place.toggl.token, "start_date": "2026-01-01T00:00:00Z", "user_agent": "comparison"}
        _write(place.directory / "tap.json", config | {"detailed_report_trailing_days": "1"})
        parts = urlsplit(url)
        account = {"host": parts.hostname, "port": parts.port, "user": parts.username, "dbname": parts.path[1:]}
        secret = {"password": unquote(parts.password or ""), "default_target_schema": "toggl"}
        _write(place.directory / "target.json", account | secret)
        catalog = json.loads(_output(place, _tap(place, "--discover")))
        for stream in catalog["streams"]:
            for entry in stream["metadata"]:
                if not entry["breadcrumb"]:
                    entry["metadata"]["selected"] = stream["stream"] in {"clients", "projects"}
        _write(place.directory / "catalog.json", catalog)
        return url

    def sync(self, place: Place) -> bool:
        state = place.directory / "state.json"
        tap = _tap(
            place, "--catalog", place.directory / "catalog.json", *(("--state", state) if state.exists() else ())
        )
        target: list[str | Path] = [bin_of("compare/target-postgres") / "target-postgres"]
        return place.run((tap, _led(place)), ([*target, "--config", place.directory / "target.json"], {}), state=state)

    def version(self) -> str:
        target = "pipelinewise-target-postgres"
        return (
            f"tap-toggl {version_of('tap-toggl', 'compare/tap-toggl')}, "
            f"{target} {version_of(target, 'compare/target-postgres')}"
        )


class Airbyte:
    """A declarative source run by airbyte-cdk; its messages are loaded by a few lines, in the two usual modes."""

    faces: tuple[Face, ...] = tuple(
        Face(
            f"airbyte-cdk, {mode}",
            f"SELECT id, (data->>'archived')::bool, false FROM {mode}.clients",
            f"SELECT id, NOT (data->>'active')::bool, false FROM {mode}.projects",
        )
        for mode in ("overwrite", "dedup")
    )

    def __init__(self) -> None:
        self._url = ""

    def prepare(self, place: Place) -> str:
        self._url = place.databases.create("airbyte")
        _write(place.directory / "config.json", {"api_token": place.toggl.token})
        streams: list[dict[str, Any]] = [
            {
                "stream": {"name": name, "json_schema": {}, "supported_sync_modes": ["full_refresh"]},
                "sync_mode": "full_refresh",
                "destination_sync_mode": "overwrite",
            }
            for name in ("clients", "projects")
        ]
        _write(place.directory / "catalog.json", {"streams": streams})
        return self._url

    def sync(self, place: Place) -> bool:
        read = ("read", "--config", "config.json", "--catalog", "catalog.json")
        source: list[str | Path] = [bin_of("compare/airbyte-cdk") / "source-declarative-manifest", *read]
        manifest: list[str | Path] = ["--manifest-path", HERE / "tools" / "manifest.yaml"]
        load: list[str | Path] = [
            bin_of("compare/airbyte-cdk") / "python",
            HERE / "tools" / "airbyte_load.py",
            self._url,
        ]
        return place.run(([*source, *manifest], _led(place)), (load, {}))

    def version(self) -> str:
        return f"airbyte-cdk {version_of('airbyte-cdk', 'compare/airbyte-cdk')}"


class Syncd:
    """`syncd once` with two settings: whose token, and which database."""

    faces: tuple[Face, ...] = (
        Face(
            "syncd",
            "SELECT id, archived, deleted_at IS NOT NULL FROM toggl.clients",
            "SELECT id, NOT active, deleted_at IS NOT NULL FROM toggl.projects",
        ),
    )

    def __init__(self) -> None:
        self._url = ""

    def prepare(self, place: Place) -> str:
        self._url = place.databases.create("syncd_peer")
        (place.directory / "config.toml").write_text(
            f'[toggl]\napi = "v9"\nbase_url = "{place.toggl.url}"\n[[tokens]]\nname = "peer"\n'
            'token_env = "PEER_TOKEN"\n'
        )
        return self._url

    def sync(self, place: Place) -> bool:
        env = {"PEER_TOKEN": place.toggl.token, "SYNCD_DATABASE__URL": self._url, **place.travel.env()}
        return place.run(([sys.executable, "-m", "syncd", "--config", "config.toml", "once", "--json"], env))

    def version(self) -> str:
        return f"syncd {metadata.version('syncd')}"


def _tap(place: Place, *arguments: str | Path) -> list[str | Path]:
    return [bin_of("compare/tap-toggl") / "tap-toggl", "--config", place.directory / "tap.json", *arguments]


def _led(place: Place) -> dict[str, str]:
    return place.toggl.surroundings() | place.travel.waiting()


def _output(place: Place, command: list[str | Path]) -> bytes:
    env = {"PATH": os.environ["PATH"], **_led(place)}
    return subprocess.run(command, env=env, check=True, capture_output=True, timeout=WITHIN_S).stdout


def _write(path: Path, value: Any) -> None:
    path.write_text(json.dumps(value))

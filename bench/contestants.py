"""Who takes part: for each the command of one run, and how to see in its tables that it did its work."""

import json
import shutil
import sys
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol
from urllib.parse import unquote, urlsplit

from bench.bodies import Shape, secret
from bench.stage import BARE, ENVIRONMENTS, KEYLESS, MIGRATED, ROOT, Command

PIPELINEWISE, MELTANO = "compare/target-postgres", "bench/meltano-target-postgres"
BY_AGE = "coalesce(substring(name FROM ' v([0-9]+)$'), '0')::integer AS age, count(*)"
"""How many changes a row's name tells of; see `bodies`."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a contestant runs: its own directory and database, and what it is to copy."""

    directory: Path
    database: str
    source: str
    shape: Shape


class Contestant(Protocol):
    """`template`: the database that its own is a copy of. `readers`: how many read from it all the while."""

    template: str
    readers: int

    def prepare(self, place: Place) -> None:
        """Write what it reads from files."""
        ...

    def pipe(self, place: Place, step: str, /) -> list[Command]:
        """The commands of one run."""
        ...

    def ages(self) -> str | None:
        """A query for (age, rows) of all live rows; None: it keeps none."""
        ...


class Syncd:
    """`syncd once`, as anybody would run it; pacing is off, and absent rows need not be old to be buried."""

    def __init__(self, readers: int = 0, template: str = MIGRATED, settings: str = "") -> None:
        """`settings`: of its sessions with PostgreSQL, as a URL has them."""
        self.readers = readers
        self.template = template
        self._settings = settings

    def prepare(self, place: Place) -> None:
        shape = place.shape
        projects = "client" if shape.by == "client" else "auto"
        (place.directory / "config.toml").write_text(
            f'[toggl]\napi = "{shape.api}"\nbase_url = "{place.source}"\nrequests_per_second = 0\n'
            f'projects = "{projects}"\ntoken_dir = "tokens"\n'
            '[sync]\npull_timeout = "30m"\n[sync.deletes]\nmin_age = "0s"\n'
        )
        tokens = place.directory / "tokens"
        tokens.mkdir()
        for token in range(shape.tokens):
            path = tokens / f"token-{token:05}"
            path.write_text(secret(token))
            path.chmod(0o600)

    def pipe(self, place: Place, step: str, /) -> list[Command]:
        options = ["--full"] if step == "full" else []
        environ = {"SYNCD_DATABASE__URL": place.database + self._settings}
        return [Command(sys.executable, "-m", "syncd", "--config", "config.toml", "once", *options, environ=environ)]

    def ages(self) -> str | None:
        live = "FROM toggl.{}_current GROUP BY 1"
        return _union(live.format("clients"), live.format("projects"))


class Floor:
    """See `bench.floor`."""

    template = "template1"
    readers = 0

    def __init__(self, work: str) -> None:
        self._work = work

    def prepare(self, place: Place) -> None:
        pass

    def pipe(self, place: Place, _step: str, /) -> list[Command]:
        shape = place.shape
        where = ["--url", place.source, "--database", place.database]
        what = ["--api", shape.api, "--by", shape.by, "--tokens", str(shape.tokens)]
        return [Command(sys.executable, "-m", "bench.floor", self._work, *where, *what)]

    def ages(self) -> str | None:
        return _union("FROM clients GROUP BY 1", "FROM projects GROUP BY 1") if self._work == "copy" else None


class Naive:
    """See `bench.peers.naive`."""

    template = "template1"
    readers = 0

    def prepare(self, place: Place) -> None:
        pass

    def pipe(self, place: Place, _step: str, /) -> list[Command]:
        options = ["--url", place.source, "--database", place.database, "--tokens", str(place.shape.tokens)]
        return [Command(sys.executable, "-m", "bench.peers.naive", *options)]

    def ages(self) -> str | None:
        return _union("FROM clients GROUP BY 1", "FROM projects GROUP BY 1")


class Dlt:
    """See `bench/peers/dlt_merge.py`."""

    template = "template1"
    readers = 0

    def prepare(self, place: Place) -> None:
        (place.directory / "tokens").write_text("\n".join(map(secret, range(place.shape.tokens))))

    def pipe(self, place: Place, _step: str, /) -> list[Command]:
        python = ENVIRONMENTS / "bench" / "dlt" / "bin" / "python"
        options = ["--url", place.source, "--database", place.database, "--tokens-file", "tokens", "--directory", "."]
        return [Command(python, ROOT / "bench" / "peers" / "dlt_merge.py", *options)]

    def ages(self) -> str | None:
        return _union("FROM toggl.clients GROUP BY 1", "FROM toggl.projects GROUP BY 1")


class Singer:
    """A tap of our own into a published target. `by_at`: the tap leaves out what is not younger."""

    template = "template1"
    readers = 0

    def __init__(self, target: str, *, by_at: bool = False) -> None:
        """`target`: the environment, which is named for the package."""
        self._target = target
        self._by_at = by_at

    def prepare(self, place: Place) -> None:
        parts = urlsplit(place.database)
        name, password = parts.path[1:], unquote(parts.password or "")
        account = {"host": parts.hostname, "port": parts.port, "user": parts.username, "password": password}
        options = {"default_target_schema": "toggl", "dbname": name, "database": name, "use_copy": True}
        (place.directory / "target.json").write_text(json.dumps(account | options))

    def pipe(self, place: Place, _step: str, /) -> list[Command]:
        options = ["--url", place.source, "--tokens", str(place.shape.tokens)]
        if self._by_at:
            if (place.directory / "printed").exists():
                shutil.copy(place.directory / "printed", place.directory / "state.json")
            options += ["--state", "state.json"]
        target = ENVIRONMENTS / self._target / "bin" / "target-postgres"
        tap = Command(sys.executable, "-m", "bench.peers.singer_tap", *options)
        return [tap, Command(target, "--config", "target.json")]

    def ages(self) -> str | None:
        return _union("FROM toggl.clients GROUP BY 1", "FROM toggl.projects GROUP BY 1")


CONTESTANTS: dict[str, Contestant] = {
    "syncd": Syncd(),
    "syncd, read": Syncd(readers=64),
    "syncd, no foreign keys": Syncd(template=KEYLESS),
    "syncd, no index by client": Syncd(template=BARE),
    "syncd, no wait for the disk": Syncd(settings="?synchronous_commit=off"),
    "floor copy": Floor("copy"),
    "floor hash": Floor("hash"),
    "naive": Naive(),
    "dlt merge": Dlt(),
    "singer, pipelinewise": Singer(PIPELINEWISE),
    "singer, pipelinewise, by at": Singer(PIPELINEWISE, by_at=True),
    "singer, meltano": Singer(MELTANO),
}


def held(rows: list[tuple[int, int]]) -> Counter[int]:
    """Age -> rows, from the answer to `ages`."""
    total: Counter[int] = Counter()
    for age, count in rows:
        total[age] += count
    return total


def _union(*froms: str) -> str:
    return " UNION ALL ".join(f"SELECT {BY_AGE} {each}" for each in froms)

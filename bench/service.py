"""What a pull without change costs in service, where nothing starts anew for it: the daemon, with many small tokens.

    python -m bench.service [--tokens 2000] [--interval 6] [--at-once 400] [--seconds 60]

It runs until every token was pulled twice, and is looked at then: seconds of CPU, of PostgreSQL, and WAL, by pull. The
defaults are the rate of 100,000 tokens every five minutes.
"""

import argparse
import contextlib
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

from bench.contestants import Place, Syncd
from bench.report import table
from bench.stage import MIGRATED, Postgres, Source, cpu_s_of, postgres, scratch, source
from bench.workloads import small

DATABASE = "service"
REQUESTS_PER_PULL = 3
POLL_S = 0.5
HEAD = [
    "tokens",
    "every s",
    "at once",
    "pulls/s",
    "CPU ms/pull",
    "PG CPU ms/pull",
    "WAL B/pull",
    "peak MB",
    "stalest token, s",
]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, default in (("tokens", 2_000), ("interval", 6), ("at-once", 400), ("seconds", 60)):
        parser.add_argument(f"--{name}", type=int, default=default)
    args = parser.parse_args()
    shape = small(args.tokens)
    with scratch() as directory, postgres(directory) as server, source(shape) as asked:
        home = directory / DATABASE
        home.mkdir()
        place = Place(home, server.create(DATABASE, MIGRATED), asked.url, shape)
        with _daemon(place, args) as pid:
            while asked.requests() < 2 * REQUESTS_PER_PULL * args.tokens:
                time.sleep(POLL_S)
            figures = _observed(pid, server, asked, args.seconds)
    print(table(HEAD, [[f"{args.tokens:,}", str(args.interval), str(args.at_once), *figures]]))


@contextlib.contextmanager
def _daemon(place: Place, args: argparse.Namespace) -> Iterator[int]:
    """Its process id."""
    contestant = Syncd()
    contestant.prepare(place)
    (command,) = contestant.pipe(place, "service")
    argv = [argument if argument != "once" else "run" for argument in command.argv]
    settings = {"INTERVAL": f"{args.interval}s", "MAX_CONCURRENT_PULLS": str(args.at_once)}
    environ = command.environ | {f"SYNCD_SYNC__{name}": value for name, value in settings.items()}
    with (
        (place.directory / "log").open("wb") as log,
        subprocess.Popen(argv, env=environ, cwd=place.directory, stdout=log, stderr=log) as process,
    ):
        try:
            yield process.pid
        finally:
            process.terminate()


def _observed(pid: int, server: Postgres, asked: Source, seconds: float) -> list[str]:
    """What it does in so many seconds."""

    def now() -> tuple[float, ...]:
        return (
            time.monotonic(),
            asked.requests() / REQUESTS_PER_PULL,
            cpu_s_of(pid),
            server.cpu_s(),
            server.wal_position(),
        )

    before = now()
    time.sleep(seconds)
    took_s, pulls, cpu_s, postgres_s, wal_bytes = (after - at for after, at in zip(now(), before, strict=True))
    stalest_s = server.ask(DATABASE, "SELECT max(staleness_seconds) FROM toggl.sync_status")[0][0]
    peak_kb = next(line for line in Path(f"/proc/{pid}/status").read_text().splitlines() if line.startswith("VmHWM"))
    return [
        *(f"{pulls / took_s:.1f}", f"{1000 * cpu_s / pulls:.2f}", f"{1000 * postgres_s / pulls:.2f}"),
        *(f"{wal_bytes / pulls:,.0f}", f"{int(peak_kb.split()[1]) / 1024:.0f}", f"{stalest_s:.1f}"),
    ]


if __name__ == "__main__":
    main()

"""BI tools at work while a mirror is written: so many connections, each asking again and again, with a pause between.

    python -m bench.readers --database URL [--readers 64]

Prints a line when all are connected, and reads until SIGTERM. Then it prints one JSON object: `queries`, `errors`, and
the milliseconds that a query took, `p50_ms`, `p99_ms` and `max_ms`, waiting for the processor included.
"""

import argparse
import asyncio
import json
import signal
import statistics
import time
from typing import Any

import asyncpg

PAUSE_S = 0.25
ANY_WORKSPACE = "SELECT id FROM toggl.workspaces ORDER BY random() LIMIT 1"
QUERIES = (
    "SELECT client_name, count(*), sum(effective_rate) FROM toggl.projects_enriched WHERE workspace_id = $1 GROUP BY 1",
    "SELECT * FROM toggl.clients_current WHERE workspace_id = $1 ORDER BY name LIMIT 20",
    "SELECT count(*) FROM toggl.projects_history WHERE workspace_id = $1",
)


class Readers:
    """What they have seen so far."""

    def __init__(self) -> None:
        self.took_ms: list[float] = []
        self.errors = 0

    async def read(self, connection: "asyncpg.Connection[Any]", number: int) -> None:
        """One connection, until cancelled. Each reader begins with another query."""
        while True:
            workspace = await connection.fetchval(ANY_WORKSPACE)
            began_s = time.perf_counter()
            try:
                await connection.fetch(QUERIES[number % len(QUERIES)], workspace)
            except asyncpg.PostgresError:
                self.errors += 1
            self.took_ms.append((time.perf_counter() - began_s) * 1000)
            await asyncio.sleep(PAUSE_S)
            number += 1

    def summary(self) -> dict[str, Any]:
        cuts = statistics.quantiles(self.took_ms, n=100)
        figures = {"p50_ms": cuts[49], "p99_ms": cuts[98], "max_ms": max(self.took_ms)}
        return {"queries": len(self.took_ms), "errors": self.errors, **figures}


async def read_until_told(database: str, readers: int) -> None:
    seen = Readers()
    told = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, told.set)
    connections = [await asyncpg.connect(database, ssl=False) for _ in range(readers)]
    print("connected", flush=True)
    tasks = [asyncio.create_task(seen.read(connection, number)) for number, connection in enumerate(connections)]
    await told.wait()
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    print(json.dumps(seen.summary()))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--database", required=True)
    parser.add_argument("--readers", type=int, default=64)
    args = parser.parse_args()
    asyncio.run(read_until_told(args.database, args.readers))


if __name__ == "__main__":
    main()

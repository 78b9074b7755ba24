"""The change feed, followed during random concurrent commits: `python -m tests.feed --commits 10000 --seed 1`.

Exits with 1 if a reader missed a change, saw one twice, or was not told of a commit.
"""

import argparse
import asyncio
import shutil
import sys

import asyncpg

from syncd.postgres.embedded import EmbeddedPostgres
from syncd.postgres.migrate import migrate
from tests.feed.campaign import run
from tests.postgres_fixture import UNSAFE_BUT_FAST, make_reachable_directory


async def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.feed", description=__doc__)
    parser.add_argument("--commits", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=1)
    chosen = parser.parse_args()
    print(f"seed {chosen.seed}", flush=True)
    home = make_reachable_directory()
    try:
        async with await EmbeddedPostgres.open(home / "data", settings=UNSAFE_BUT_FAST) as server:
            connection = await asyncpg.connect(server.url)
            await migrate(connection)
            await connection.close()
            outcome = await run(server.url, commits=chosen.commits, seed=chosen.seed)
    finally:
        shutil.rmtree(home)
    print(f"{outcome.commits} commits and {outcome.rolled_back} rolled back in {outcome.seconds:.0f} s")
    print(f"{outcome.changes} changes, read by", ", ".join(f"{name} ({n}x)" for name, n in outcome.reads.items()))
    for wrong in outcome.wrongs:
        print(f"WRONG: {wrong}", file=sys.stderr)
    return 1 if outcome.wrongs else 0


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))

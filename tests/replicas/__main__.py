"""Real daemons, real sockets, figures at the end: `python -m tests.replicas takeover | replicas | fairness | chaos`.

Exits with 1 if a promise was broken.
"""

import argparse
import asyncio
import shutil
import sys

from syncd.postgres.embedded import EmbeddedPostgres
from tests.postgres_fixture import UNSAFE_BUT_FAST, make_reachable_directory
from tests.replicas.campaigns import fairness, replicas, takeover
from tests.replicas.chaos import HEAVY, LIGHT, chaos

SETTINGS = UNSAFE_BUT_FAST | {"synchronous_commit": "on"}
"""The server is killed, its machine is not: what was committed is not forgotten."""


async def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.replicas", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    of_fairness = commands.add_parser("fairness")
    of_fairness.add_argument("--seconds", type=float, default=60)
    commands.add_parser("takeover").add_argument("--kills", type=int, default=20)
    of_replicas = commands.add_parser("replicas")
    of_replicas.add_argument("--tokens", type=int, default=500)
    of_replicas.add_argument("--frozen", type=float, default=30)
    of_chaos = commands.add_parser("chaos")
    of_chaos.add_argument("--seconds", type=float, default=600)
    of_chaos.add_argument("--seed", type=int, default=1)
    of_chaos.add_argument("--heavy", action="store_true", help="500,000 rows")
    chosen = parser.parse_args()
    home = make_reachable_directory()
    try:
        async with await EmbeddedPostgres.open(home / "data", settings=SETTINGS) as server:
            if chosen.command == "takeover":
                wrongs = await takeover(home, server, chosen.kills)
            elif chosen.command == "fairness":
                wrongs = await fairness(home, server, chosen.seconds)
            elif chosen.command == "replicas":
                wrongs = await replicas(home, server, chosen.tokens, chosen.frozen)
            else:
                wrongs = await chaos(home, server, chosen.seconds, chosen.seed, HEAVY if chosen.heavy else LIGHT)
    finally:
        shutil.rmtree(home)
    for wrong in wrongs:
        print(f"WRONG: {wrong}", file=sys.stderr)
    return 1 if wrongs else 0


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))

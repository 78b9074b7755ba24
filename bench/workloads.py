"""What is played. Data."""

from bench.bodies import Shape
from bench.contestants import CONTESTANTS
from bench.suite import Workload

ROWS_PER_TOKEN = 2_500
BASE_ROWS = 500_000
QUICK_ROWS = 50_000
PEERS_ROWS = 100_000

FIRST = ("first",)
TWICE = ("first", "unchanged")
BRIEFLY = (*TWICE, "1 %")
CHANGES = (*TWICE, "again", "full", "1 %", "100 %")
ALL = (*CHANGES, "deleted", "confirmed")
SINGERS = [name for name in CONTESTANTS if name.startswith("singer")]
FLOORS = {"floor copy": FIRST, "floor hash": ("unchanged",)}
PARTS = ("syncd", "syncd, no foreign keys", "syncd, no index by client", "syncd, no wait for the disk")


def usual(rows: int) -> Shape:
    """One workspace per token, 500 clients in each, 4 projects of each client; v8, listed by workspace."""
    return Shape("v8", max(1, rows // ROWS_PER_TOKEN), 500, 4)


def small(tokens: int) -> Shape:
    """25 rows per token."""
    return Shape("v8", tokens, 5, 4)


def quick(rows: int) -> list[Workload]:
    """The base case, small."""
    return [Workload("base", usual(rows), {"syncd": CHANGES, **FLOORS})]


def everything(rows: int) -> list[Workload]:
    """What a run without names plays, the most important first.

    `rows`: of the base case, and of the naive script and dlt, which are compared at the same size.
    """
    peers = usual(min(rows, PEERS_ROWS))
    return [
        Workload("base", usual(rows), {"syncd": ALL, "naive": TWICE, **FLOORS}),
        Workload("dlt", usual(rows), {"syncd": BRIEFLY, "dlt merge": BRIEFLY}, rounds=1),
        Workload("singer", peers, {"syncd": TWICE, **dict.fromkeys(SINGERS, TWICE)}, rounds=1),
        *(Workload(f"{tokens} tokens", small(tokens), {"syncd": TWICE}) for tokens in (10, 100)),
        Workload("1000 tokens", small(1_000), {"syncd": TWICE, "syncd, no wait for the disk": TWICE}),
        Workload("by client", Shape("v8", 20, 500, 4, by="client"), {"syncd": TWICE, **FLOORS}),
        Workload("v9", Shape("v9", 40, 500, 4), {"syncd": ALL, **FLOORS}, rounds=1),
        Workload("parts", usual(250_000), dict.fromkeys(PARTS, FIRST), rounds=1),
        Workload("50000 rows", usual(50_000), {"syncd": BRIEFLY, "naive": TWICE, **FLOORS}),
        Workload("2000000 rows", usual(2_000_000), {"syncd": BRIEFLY}, rounds=1),
        *(_account(clients) for clients in (200, 2_000, 10_000, 40_000)),
        Workload("10000 tokens", small(10_000), {"syncd": TWICE}, rounds=1),
        Workload(
            "shared", Shape("v8", 80, 500, 4, sharers=2), {"syncd": CHANGES, "floor hash": ("unchanged",)}, rounds=1
        ),
        Workload("shared v9", Shape("v9", 80, 500, 4, sharers=2), {"syncd": TWICE}, rounds=1),
        Workload("slow API", small(200), {"syncd": TWICE, **FLOORS}, latency_s=0.2, rounds=1),
        Workload("readers", peers, {"syncd": ("first", "100 %"), "syncd, read": ("first", "rest", "100 %")}, rounds=1),
    ]


def beyond() -> list[Workload]:
    """What is played only if it is named: it takes as long as all the rest."""
    return [Workload("5000000 rows", usual(5_000_000), {"syncd": TWICE}, rounds=1), _account(200_000)]


def _account(clients: int) -> Workload:
    """One token with one workspace."""
    shape = Shape("v9", 1, clients, 4)
    return Workload(f"one token of {shape.rows}", shape, {"syncd": (*TWICE, "full", "1 %")}, rounds=1)

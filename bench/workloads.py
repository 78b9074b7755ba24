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
CHANGES = (*TWICE, "again", "full", "1 %", "100 %")
ALL = (*CHANGES, "deleted", "confirmed")
SINGERS = [name for name in CONTESTANTS if name.startswith("singer")]
FLOORS = {"floor copy": FIRST, "floor hash": ("unchanged",)}


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
    """`rows`: of the base case, and of the naive script, which is compared at the same size."""
    peers = usual(min(rows, PEERS_ROWS))
    return [
        Workload("base", usual(rows), {"syncd": ALL, "naive": TWICE, **FLOORS}),
        Workload("dlt", peers, {"syncd": (*TWICE, "1 %"), "dlt merge": (*TWICE, "1 %")}),
        Workload("singer", peers, {"syncd": TWICE, **dict.fromkeys(SINGERS, TWICE)}),
        Workload("by client", Shape("v8", 20, 500, 4, by="client"), {"syncd": TWICE, **FLOORS}),
        Workload("v9", Shape("v9", 40, 500, 4), {"syncd": ALL, **FLOORS}),
        Workload("shared", Shape("v8", 80, 500, 4, sharers=2), {"syncd": CHANGES, "floor hash": ("unchanged",)}),
        Workload("shared v9", Shape("v9", 80, 500, 4, sharers=2), {"syncd": TWICE}),
        Workload("slow API", small(200), {"syncd": TWICE, **FLOORS}, latency_s=0.2),
        Workload("readers", peers, {"syncd": ("first", "100 %"), "syncd, read": ("first", "rest", "100 %")}),
        *(Workload(f"{tokens} tokens", small(tokens), {"syncd": TWICE}) for tokens in (1, 10, 100, 1_000, 10_000)),
        *(Workload(f"{rows} rows", usual(rows), {"syncd": TWICE}) for rows in (50_000, 500_000)),
        Workload("5000000 rows", usual(5_000_000), {"syncd": TWICE}, rounds=1),
        Workload("one token", Shape("v9", 1, 200_000, 4), {"syncd": (*TWICE, "1 %"), **FLOORS}, rounds=1),
    ]

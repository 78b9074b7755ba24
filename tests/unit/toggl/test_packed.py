"""Many records in little room: the same mapping, whatever came and went."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from random import Random

from hypothesis import given
from hypothesis import strategies as st

from syncd.packed import Packed
from syncd.records import Client, Project
from syncd.toggl import v9_rows
from syncd.toggl.collector import Collector
from syncd.toggl.dialect import Request
from tests.model import a_client
from tests.unit.toggl.answers import answer

FEW = 3
"""Records of a block, so that some records fill several."""


Step = tuple[str, int, str]
STEPS = st.lists(
    st.tuples(st.sampled_from(["put", "put", "put", "drop", "keep"]), st.integers(1, 9), st.text(max_size=3))
)


@given(STEPS)
def test_it_holds_what_a_dict_would(steps: list[Step]) -> None:
    """However records are replaced and dropped, within a block and across them."""
    plain: dict[int, Client] = {1: a_client(1)}
    held: Packed[Client] = Packed(plain, FEW)
    for verb, id_, name in steps:
        record = a_client(id_, name=name)
        match verb:
            case "put":
                plain[id_] = held[id_] = record
            case "drop":
                assert held.pop(id_, None) == plain.pop(id_, None)
            case _:
                assert held.setdefault(id_, record) == plain.setdefault(id_, record)
    assert (dict(held), len(held), set(held)) == (plain, len(plain), set(plain))
    assert all(id_ in held for id_ in plain)
    assert 10 not in held


def test_a_record_comes_back_as_it_was() -> None:
    """Money, instants with their fractions, dates, numbers beyond 64 bits, nested fields that we do not know."""
    born = datetime(2024, 2, 29, 23, 59, 59, 123456, UTC)
    extra = {"big": 10**30, "nested": {"list": [1, 2.5, None, True, "\u00e9\u0001"]}}
    records = {
        n: Project(
            n, 1, None, "x" * n, active=True, is_private=None, billable=False, template=None, color="#fff",
            currency="EUR", rate=Decimal("120.5000"), fixed_fee=Decimal(0), estimated_seconds=2**40,
            auto_estimates=None, recurring=None, status="active", start_date=born.date(), end_date=None,
            created_at=born, actual_seconds=0, at=born + timedelta(seconds=n), extra=extra,
        )
        for n in range(1, 10)
    }  # fmt: skip
    assert dict(Packed(records, FEW)) == records
    assert str(Packed(records, FEW)[1].rate) == "120.5000"


def test_pages_of_any_number_make_one_snapshot() -> None:
    """Rows that come again, changed or not, are taken as they are without packing."""
    rows = [{"id": n, "wid": 1, "name": f"p{n}", "at": f"2024-01-0{n % 9 + 1}T00:00:00Z"} for n in range(1, 21)]
    again = [*rows, *rows[:5], {**rows[7], "name": "later", "at": "2024-02-01T00:00:00Z"}]
    Random(5).shuffle(again)
    collector: Collector[Project] = Collector(v9_rows.project_rows, FEW)
    for start in range(0, len(again), 4):
        collector.add(answer(Request("/"), again[start : start + 4]), 1)
    snapshot = collector.snapshot(1, "workspace")
    assert isinstance(snapshot.records, Packed)
    names = {id_: record.name for id_, record in snapshot.records.items()}
    assert names == {n: "later" if n == 8 else f"p{n}" for n in range(1, 21)}
    assert snapshot.incomplete == ("duplicates",)

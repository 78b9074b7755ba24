"""Which requests a fault strikes, and how it is counted."""

import pytest

from syncd.emulator import mishaps
from syncd.emulator.faults import Faults

A, B = mishaps.status(500), mishaps.html()


def strikes(faults: Faults, count: int) -> list[str]:
    """What befalls so many equal requests."""
    struck = (faults.take("GET", "/api/v8/clients", "t0") for _ in range(count))
    return ["-" if mishap is None else mishap.label for mishap in struck]


@pytest.mark.parametrize(
    ("first", "times", "expected"),
    [(1, 1, "x---"), (2, 1, "-x--"), (1, 3, "xxx-"), (3, None, "--xx"), (1, None, "xxxx"), (1, 0, "----")],
)
def test_fault_strikes_from_the_first_so_many_times(first: int, times: int | None, expected: str) -> None:
    faults = Faults()
    fault = faults.add(A, first=first, times=times)
    assert expected == "".join("-" if mark == "-" else "x" for mark in strikes(faults, 4))
    assert expected.count("x") == fault.fired == faults.fired["status 500"]


@pytest.mark.parametrize(
    ("match", "hit"),
    [
        ({}, True),
        ({"method": "GET"}, True),
        ({"method": "PUT"}, False),
        ({"path": "/api/v8/cli"}, True),
        ({"path": "/api/v8/workspaces"}, False),
        ({"token": "t0"}, True),
        ({"token": "t1"}, False),
        ({"token": ""}, False),
        ({"method": "GET", "path": "/api", "token": "t0"}, True),
        ({"method": "GET", "path": "/api", "token": "t1"}, False),
    ],
)
def test_fault_strikes_what_matches(match: dict[str, str], hit: bool) -> None:
    """All that is given must match; a request that does not is not counted."""
    faults = Faults()
    fault = faults.add(A, method=match.get("method"), path=match.get("path"), token=match.get("token"))
    struck = faults.take("GET", "/api/v8/clients", "t0")
    assert (hit, int(hit), int(hit)) == (struck is A, fault.seen, fault.fired)


def test_first_added_strikes_and_all_that_match_count() -> None:
    """Both count every request; where both are due, the earlier one strikes."""
    faults = Faults()
    faults.add(A, first=2, times=1)
    faults.add(B, first=1, times=3)
    assert strikes(faults, 4) == ["html 200", "status 500", "html 200", "-"]
    assert faults.fired == {"status 500": 1, "html 200": 2}


def test_spent_faults_leave_the_script_and_their_counts_stay() -> None:
    """With an empty script the server looks no further."""
    faults = Faults()
    faults.add(A, name="mine")
    faults.add(B, name="mine", times=2)
    assert strikes(faults, 3) == ["status 500", "html 200", "-"]
    assert (faults.script, faults.fired) == ([], {"mine": 2})


def test_clear_disarms_and_keeps_counts() -> None:
    faults = Faults()
    faults.add(A, times=None)
    strikes(faults, 2)
    faults.clear()
    assert strikes(faults, 1) == ["-"]
    assert faults.fired == {"status 500": 2}

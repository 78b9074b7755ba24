"""When a host is worth asking."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from syncd.toggl.breaker import FAILURES, OPEN_FIRST_S, OPEN_MOST_S, PROBING_S, RECOVERY_S, Breaker, Change


def opened(now: float = 0.0) -> Breaker:
    breaker = Breaker()
    changes = [breaker.failed("ab"[n % 2], now) for n in range(FAILURES)]
    assert changes == [None] * (FAILURES - 1) + [Change(True, FAILURES, OPEN_FIRST_S)]
    return breaker


def test_one_token_alone_never_opens_it() -> None:
    """The trouble may be its own."""
    breaker = Breaker()
    assert [breaker.failed("a", float(n)) for n in range(1000)] == [None] * 1000
    assert breaker.wait_s("b", 1000.0) == 0.0


def test_an_answer_between_starts_the_count_anew() -> None:
    """Only failures in a row say that it is the host."""
    breaker = Breaker()
    for n in range(100):
        assert breaker.failed("ab"[n % 2], float(n)) is None
        if n % (FAILURES - 1) == 0:
            breaker.answered(float(n))


def test_open_lets_nothing_through() -> None:
    """Until its time is up."""
    breaker = opened()
    assert [breaker.wait_s(token, 1.0) for token in "abc"] == [OPEN_FIRST_S - 1.0] * 3


def test_one_probe_decides() -> None:
    """Others wait for it; it failing opens for twice as long, up to a minute."""
    breaker, now, waits = opened(), 0.0, []
    for _ in range(6):
        now += breaker.wait_s("a", now)
        assert (breaker.wait_s("a", now), breaker.wait_s("b", now)) == (0.0, PROBING_S)
        assert breaker.failed("a", now) is None
        waits.append(breaker.wait_s("b", now))
    assert waits == [10.0, 20.0, 40.0, OPEN_MOST_S, OPEN_MOST_S, OPEN_MOST_S]


def test_a_healthy_token_does_not_wait_for_sick_ones() -> None:
    """Neither for their attempt nor for as long as they; but healthy ones go one at a time, too."""
    breaker = opened()
    assert breaker.wait_s("a", 5.0) == 0.0
    assert (breaker.wait_s("c", 6.0), breaker.wait_s("d", 6.0)) == (0.0, PROBING_S)
    breaker.failed("a", 7.0)
    breaker.failed("c", 8.0)
    assert (breaker.wait_s("a", 8.0), breaker.wait_s("d", 8.0)) == (9.0, OPEN_FIRST_S)
    assert breaker.wait_s("d", 13.0) == 0.0
    assert breaker.answered(14.0) == Change(False, FAILURES + 2, 14.0)


def test_a_late_failure_of_another_does_not_prolong() -> None:
    """It was sent before."""
    breaker = opened()
    assert breaker.failed("c", 4.0) is None
    assert [breaker.wait_s(token, 4.0) for token in "acd"] == [OPEN_FIRST_S - 4.0] * 3


def test_recovery_is_staggered() -> None:
    """Tokens come back one after the other, all within the time of recovery, always in the same order."""
    breaker = opened()
    assert breaker.wait_s("c", 10.0) == 0.0
    assert breaker.answered(11.0) == Change(False, FAILURES, 11.0)
    waits = [breaker.wait_s(f"t{n}", 11.0) for n in range(100)]
    assert waits == [breaker.wait_s(f"t{n}", 11.0) for n in range(100)]
    assert 0.0 <= min(waits) <= 1.0
    assert RECOVERY_S - 1.0 <= max(waits) <= RECOVERY_S
    assert max(sum(second <= wait < second + 1 for wait in waits) for second in range(10)) < 25
    assert [breaker.wait_s(f"t{n}", 11.0 + RECOVERY_S) for n in range(100)] == [0.0] * 100


def test_a_probe_that_nobody_awaits_makes_room() -> None:
    """Its pull was cancelled."""
    breaker = opened()
    assert (breaker.wait_s("c", 10.0), breaker.wait_s("d", 10.0)) == (0.0, PROBING_S)
    breaker.forget("c")
    assert breaker.wait_s("d", 10.0) == 0.0


@given(st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from(["fail", "answer", "forget", "wait"])), max_size=80))
def test_at_most_one_healthy_and_one_sick_request_leave_while_open(
    steps: list[tuple[str, str]],
) -> None:
    """Whatever comes in which order; and it never stays shut for good."""
    breaker, now, probes, failing, is_open = Breaker(), 0.0, dict[str, bool](), set[str](), False
    for token, step in steps:
        now += 1.7
        if step == "wait":
            if breaker.wait_s(token, now) == 0.0 and is_open:
                assert (token in failing) not in probes.values()
                probes[token] = token in failing
        elif step == "fail":
            change = breaker.failed(token, now)
            is_open = is_open or change is not None
            failing.add(token)
            probes.pop(token, None)
        elif step == "answer":
            breaker.answered(now)
            is_open = False
            probes.clear()
            failing.clear()
        else:
            breaker.forget(token)
            probes.pop(token, None)
    for token in "abc":
        breaker.forget(token)
    assert breaker.wait_s("d", now + OPEN_MOST_S) == pytest.approx(0.0)

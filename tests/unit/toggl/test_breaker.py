"""When a host is worth asking."""

from hypothesis import given
from hypothesis import strategies as st

from syncd.toggl.breaker import (
    FAILURES,
    OPEN_FIRST_S,
    OPEN_MOST_S,
    PROBE_MOST_S,
    PROBING_S,
    RECOVERY_S,
    Breaker,
    Change,
)


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
            breaker.answered("a", float(n))


def test_open_lets_no_failing_token_through() -> None:
    """Until its time is up; one that has not failed finds out for itself, once."""
    breaker = opened()
    assert [breaker.wait_s(token, 1.0) for token in "abc"] == [OPEN_FIRST_S - 1.0] * 2 + [0.0]
    assert breaker.failed("c", 2.0) is None
    assert breaker.wait_s("c", 2.0) == OPEN_FIRST_S - 2.0


def test_one_probe_decides() -> None:
    """Others that fail wait for it; it failing opens for twice as long, up to a minute."""
    breaker, now, waits = opened(), 0.0, []
    for _ in range(6):
        now += breaker.wait_s("a", now)
        assert (breaker.wait_s("a", now), breaker.wait_s("b", now)) == (0.0, PROBING_S)
        assert breaker.failed("a", now) is None
        waits.append(breaker.wait_s("b", now))
    assert waits == [10.0, 20.0, 40.0, OPEN_MOST_S, OPEN_MOST_S, OPEN_MOST_S]


def test_a_healthy_token_never_waits() -> None:
    """Neither while it is open, nor for a probe, nor when it has closed."""
    breaker = opened()
    assert breaker.wait_s("c", 0.0) == 0.0
    assert (breaker.wait_s("a", 5.0), breaker.wait_s("c", 5.0)) == (0.0, 0.0)
    assert breaker.answered("c", 6.0) == Change(False, FAILURES, 6.0)
    assert breaker.wait_s("c", 6.0) == 0.0
    assert breaker.wait_s("a", 6.0) > 0.0


def test_broken_tokens_open_it_once() -> None:
    """They went on failing while another one was answered: it is they, until they are answered themselves."""
    breaker = opened()
    breaker.answered("c", 1.0)
    assert [breaker.failed("ab"[n % 2], 2.0) for n in range(100)] == [None] * 100
    breaker.answered("a", 3.0)
    assert [breaker.failed("ab"[n % 2], 4.0) for n in range(100)] == [None] * 100
    for token in "ab":
        breaker.answered(token, 5.0)
    assert [breaker.failed("ab"[n % 2], 6.0) is not None for n in range(FAILURES)] == [False] * 4 + [True]


def test_a_host_that_recovered_may_fail_anew() -> None:
    """A failing token's own probe was answered: what befell the others was the host's doing."""
    breaker = opened()
    assert breaker.wait_s("a", 5.0) == 0.0
    breaker.answered("a", 5.0)
    assert [breaker.failed("ab"[n % 2], 20.0) is not None for n in range(FAILURES)] == [False] * 4 + [True]


def test_a_late_failure_of_another_does_not_prolong() -> None:
    """It was sent before."""
    breaker = opened()
    assert breaker.failed("c", 4.0) is None
    assert [breaker.wait_s(token, 4.0) for token in "abc"] == [OPEN_FIRST_S - 4.0] * 3


def test_recovery_is_staggered() -> None:
    """Failing tokens come back one after the other, all within the time of recovery, always in the same order."""
    breaker = opened()
    names = [f"t{n}" for n in range(100)]
    for name in names:
        breaker.failed(name, 1.0)
    assert breaker.wait_s("a", 10.0) == 0.0
    assert breaker.answered("a", 11.0) == Change(False, FAILURES + 100, 11.0)
    waits = [breaker.wait_s(name, 11.0) for name in names]
    assert waits == [breaker.wait_s(name, 11.0) for name in names]
    assert 0.0 <= min(waits) <= 1.0
    assert RECOVERY_S - 1.0 <= max(waits) <= RECOVERY_S
    assert max(sum(second <= wait < second + 1 for wait in waits) for second in range(10)) < 25
    assert [breaker.wait_s(name, 11.0 + RECOVERY_S) for name in names] == [0.0] * 100


def test_a_probe_that_nobody_awaits_makes_room() -> None:
    """Its pull was cancelled; or it takes longer than any request does."""
    breaker = opened()
    assert (breaker.wait_s("a", 10.0), breaker.wait_s("b", 10.0)) == (0.0, PROBING_S)
    breaker.forget("a")
    assert (breaker.wait_s("b", 10.0), breaker.wait_s("a", 10.0)) == (0.0, PROBING_S)
    assert breaker.wait_s("a", 10.0 + PROBE_MOST_S) == 0.0


@given(st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from(["fail", "answer", "forget", "wait"])), max_size=80))
def test_at_most_one_request_of_a_failing_token_is_on_its_way_while_open(steps: list[tuple[str, str]]) -> None:
    """Whatever comes in which order; others go free; and it never stays shut for good."""
    breaker, now, probe, is_open = Breaker(), 0.0, "", False
    for token, step in steps:
        now += 0.7
        if step == "wait":
            is_failing = token in breaker._failing
            wait_s = breaker.wait_s(token, now)
            assert wait_s == 0.0 or is_failing or not is_open
            if wait_s == 0.0 and is_failing and is_open:
                assert probe == ""
                probe = token
        elif step == "fail":
            is_open = breaker.failed(token, now) is not None or is_open
        elif step == "answer":
            breaker.answered(token, now)
            is_open, probe = False, ""
        else:
            breaker.forget(token)
        if step in ("fail", "forget") and token == probe:
            probe = ""
    assert breaker.wait_s("a", now + PROBE_MOST_S + OPEN_MOST_S) == 0.0

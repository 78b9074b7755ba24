"""When requests may leave."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from syncd.toggl.pacing import Pacer


def test_requests_leave_one_interval_apart() -> None:
    """However many ask at once."""
    pacer = Pacer(2.0)
    assert [pacer.reserve(100.0) for _ in range(4)] == [0.0, 0.5, 1.0, 1.5]


def test_an_idle_pacer_saves_nothing_up() -> None:
    """No burst after a pause."""
    pacer = Pacer(1.0)
    pacer.reserve(0.0)
    assert [pacer.reserve(100.0), pacer.reserve(100.0)] == [0.0, 1.0]


def test_a_hold_moves_all_later_slots() -> None:
    """Retry-After counts from now, for everybody who asks from now on."""
    pacer = Pacer(1.0)
    pacer.reserve(0.0)
    pacer.hold_until(2.5)
    assert [pacer.reserve(0.0), pacer.reserve(0.0)] == [2.5, 3.5]


def test_a_hold_never_brings_a_slot_forward() -> None:
    """The longest hold wins."""
    pacer = Pacer(1.0)
    pacer.hold_until(10.0)
    pacer.hold_until(5.0)
    assert pacer.reserve(0.0) == 10.0


def test_a_slot_that_a_later_hold_covers_is_void() -> None:
    """Whoever waits already must take another slot, after the hold."""
    pacer = Pacer(1.0)
    slots = [pacer.reserve(0.0) for _ in range(3)]
    pacer.hold_until(1.5)
    assert [pacer.is_held(slot) for slot in slots] == [True, True, False]
    assert pacer.reserve(1.0) == 2.0


def test_the_distance_counts_from_the_wire() -> None:
    """Of a request that was held up, both for who has his turn and for who has it yet to take."""
    pacer = Pacer(1.0)
    assert [pacer.leave(0.0), pacer.leave(30.0), pacer.write(30.0)] == [0.0, 0.0, 0.0]
    assert [pacer.write(30.25), pacer.write(31.0), pacer.leave(31.5)] == [0.75, 0.0, 0.5]


def test_no_pacing() -> None:
    """0 requests per second means no pacing, but a hold is a hold."""
    pacer = Pacer(0)
    assert [pacer.reserve(1.0), pacer.reserve(1.0)] == [0.0, 0.0]
    assert [pacer.leave(1.0), pacer.leave(1.0), pacer.write(1.0), pacer.write(1.0)] == [0.0] * 4
    pacer.hold_until(3.0)
    assert pacer.reserve(1.0) == 2.0


def test_each_429_widens_and_good_answers_narrow() -> None:
    """Half as far apart again, up to eight times; back by a twentieth each, never below the configured interval."""
    pacer, now, intervals = Pacer(1.0), 0.0, []
    for _ in range(7):
        pacer.refused(now, 10.0)
        now += 11.0
        intervals.append(pacer.interval_s)
    assert intervals == [1.5, 2.25, 3.375, 5.0625, 7.59375, 8.0, 8.0]
    pacer.welcomed()
    assert pacer.interval_s == pytest.approx(7.6)
    for _ in range(41):
        pacer.welcomed()
    assert pacer.interval_s == 1.0


def test_refusals_of_one_volley_widen_once() -> None:
    """Those that were in flight when the first came back say nothing new, but the longest hold wins."""
    pacer = Pacer(1.0)
    for retry_after_s in (5.0, 30.0, 2.0):
        pacer.refused(0.0, retry_after_s)
    assert (pacer.interval_s, pacer.held_s(0.0)) == (1.5, 30.0)


def test_no_pacing_has_nothing_to_widen() -> None:
    """Whoever switches it off has his reasons."""
    pacer = Pacer(0)
    pacer.refused(0.0, 1.0)
    pacer.welcomed()
    assert pacer.interval_s == 0.0


@given(
    rate=st.floats(0.1, 100),
    steps=st.lists(st.tuples(st.floats(0, 5), st.none() | st.floats(0, 20)), max_size=40),
)
def test_i13_never_above_the_rate(rate: float, steps: list[tuple[float, float | None]]) -> None:
    """Whatever asks when, and whatever is held: two slots are an interval apart, and none lies in a hold."""
    pacer, now, slots, held = Pacer(rate), 0.0, [], float("-inf")
    for passed, hold in steps:
        now += passed
        if hold is not None:
            held = max(held, now + hold)
            pacer.refused(now, hold)
        else:
            pacer.welcomed()
        slots.append((now + pacer.reserve(now), held))
    assert all(slot >= hold for slot, hold in slots)
    assert all(b[0] - a[0] >= 1 / rate - 1e-9 for a, b in pairwise(slots))

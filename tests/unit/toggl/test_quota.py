"""How many requests an hour's quota still allows."""

import contextlib

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from syncd.errors import QuotaExhausted
from syncd.toggl.quota import FREE, RESET_SLACK_S, UNTOLD, WINDOW_S, Key, Level, Quotas, Told, merge

ORG = Key("t0", 7)
USER = Key("t0", None)


def ask(quotas: Quotas, now: float, told: Told | None, *, key: Key = ORG, is_write: bool = False) -> None:
    """One request, answered at once."""
    quotas.settle(quotas.reserve(key, now, is_write=is_write), key, now, told)


def refusal(quotas: Quotas, now: float, *, key: Key = ORG, is_write: bool = False) -> QuotaExhausted:
    with pytest.raises(QuotaExhausted) as caught:
        quotas.reserve(key, now, is_write=is_write)
    return caught.value


def test_a_source_without_quotas_has_no_limit() -> None:
    """Nothing is assumed of a bucket that no answer spoke of."""
    quotas = Quotas()
    for _ in range(1000):
        ask(quotas, 0.0, None)
    assert (quotas.left(ORG, 0.0), quotas.total(ORG)) == (None, None)


def test_pulls_stop_at_the_reserve_and_changes_at_nothing() -> None:
    """Of 30 an hour 3 are kept; the wait lasts until the reset."""
    quotas = Quotas()
    ask(quotas, 0.0, Told(29, 3600.0))
    ask(quotas, 10.0, Told(3, 3590.0))
    assert refusal(quotas, 20.0).retry_after_s == pytest.approx(3580.0 + RESET_SLACK_S)
    assert refusal(quotas, 20.0).http_status is None
    for left in (2, 1, 0):
        ask(quotas, 30.0, Told(left, 3570.0), is_write=True)
    assert "kept" not in str(refusal(quotas, 40.0, is_write=True))


def test_requests_in_flight_cannot_overdraw() -> None:
    """They count as spent from the moment they leave."""
    quotas = Quotas()
    ask(quotas, 0.0, Told(5, 3600.0))
    ticket, *_ = [quotas.reserve(ORG, 1.0, is_write=False) for _ in range(4)]
    refusal(quotas, 1.0)
    quotas.settle(ticket, ORG, 2.0, Told(4, 3598.0))
    refusal(quotas, 2.0)


def test_answers_that_overtake_one_another_raise_nothing() -> None:
    """Within an hour the lower number is the later one."""
    quotas = Quotas()
    for told in (Told(20, 3600.0), Told(18, 3599.0), Told(19, 3599.0)):
        ask(quotas, 0.0, told)
    assert quotas.left(ORG, 0.0, is_write=True) == 18


def test_a_request_without_an_answer_counts_as_spent() -> None:
    """The source may have counted it."""
    quotas = Quotas()
    ask(quotas, 0.0, Told(10, 3600.0))
    ask(quotas, 1.0, None)
    assert quotas.left(ORG, 1.0, is_write=True) == 9


def test_the_reset_restores() -> None:
    """After it the whole hour is there again, and its first answer says how much that is."""
    quotas = Quotas()
    ask(quotas, 0.0, Told(29, 3600.0))
    ask(quotas, 1.0, Told(0, 3599.0), is_write=True)
    assert quotas.left(ORG, 3600.0 + RESET_SLACK_S) == 27
    ask(quotas, 3700.0, Told(239, 3600.0))
    assert (quotas.total(ORG), quotas.left(ORG, 3700.0)) == (240, 239 - 24)
    ask(quotas, 8000.0, Told(29, 3600.0))
    assert quotas.total(ORG) == 30


def test_the_middle_of_an_hour_does_not_tell_the_plan() -> None:
    """Somebody else may have spent the rest: at least the free plan is assumed."""
    quotas = Quotas()
    ask(quotas, 0.0, Told(4, 1800.0))
    assert quotas.total(ORG) == FREE
    ask(quotas, 1.0, Told(3, 1799.0))
    assert quotas.total(ORG) == FREE


def test_a_402_closes_its_bucket_only() -> None:
    """Whatever was thought to be left; until the reset, and for changes too."""
    quotas = Quotas()
    ask(quotas, 0.0, Told(20, 3600.0))
    quotas.close(ORG, 1.0, 133.0)
    assert refusal(quotas, 2.0, is_write=True).retry_after_s > 3000.0
    ask(quotas, 2.0, None, key=USER)
    ask(quotas, 2.0, None, key=Key("t1", 7))
    quotas.close(USER, 2.0, 133.0)
    assert refusal(quotas, 2.0, key=USER).retry_after_s == 133.0


def test_a_402_does_not_tell_what_an_hour_holds() -> None:
    """It says that nothing is left. Of a bucket that no other answer speaks of, nothing is assumed after the reset."""
    quotas = Quotas()
    quotas.close(ORG, 0.0, 5.0)
    assert (quotas.left(ORG, 4.0), quotas.total(ORG)) == (0, None)
    assert (quotas.left(ORG, 5.0), quotas.total(ORG)) == (None, None)
    ask(quotas, 6.0, None)
    assert quotas.total(ORG) is None
    ask(quotas, 7.0, Told(100, 1800.0))
    assert quotas.total(ORG) == 101


@pytest.mark.parametrize("left", [0, -1])
def test_an_hour_that_others_use_up_at_once_is_no_smaller(left: int) -> None:
    """Our first request of it is refused, in its first minute: what is known from the hour before stays."""
    quotas = Quotas()
    ask(quotas, 0.0, Told(239, 3600.0))
    ask(quotas, 4000.0, Told(left, 3590.0, is_refusal=True))
    quotas.close(ORG, 4000.0, 3590.0)
    assert (quotas.left(ORG, 4001.0), quotas.total(ORG)) == (0, 240)
    assert quotas.left(ORG, 8000.0) == 240 - 24


def test_tokens_of_one_user_share() -> None:
    """Once it is known whose they are; of what both learnt the more cautious counts."""
    quotas = Quotas()
    ask(quotas, 0.0, Told(9, 3600.0), key=Key("a", 7))
    ask(quotas, 0.0, Told(5, 3598.0), key=Key("b", 7))
    quotas.rename("a", "#1", 1.0)
    quotas.rename("b", "#1", 1.0)
    assert quotas.left(Key("#1", 7), 1.0, is_write=True) == 5
    assert list(quotas.known("a")) == []


def test_what_another_process_knew_counts_until_its_reset() -> None:
    """Then only the plan is known from it."""
    quotas = Quotas()
    quotas.remember(ORG, 0.0, Level(2, 30, 100.0))
    refusal(quotas, 50.0)
    quotas = Quotas()
    quotas.remember(ORG, 100.0, Level(2, 30, 100.0))
    assert (quotas.left(ORG, 100.0), quotas.total(ORG)) == (27, 30)


def test_of_two_accounts_the_later_hour_counts() -> None:
    """And within one hour the more cautious."""
    early, late = Level(3, 30, 1000.0), Level(20, 30, 3000.0)
    assert merge(early, late, 0.0) == late == merge(late, early, 0.0)
    assert merge(early, late._replace(resets_at=1010.0), 0.0) == Level(3, 30, 1010.0)


@pytest.mark.parametrize("resets_at", [100.0, 1000.0, 3000.0])
def test_what_an_hour_holds_is_kept_from_whoever_was_told(resets_at: float) -> None:
    """Whichever of two accounts is the later one."""
    told, untold = Level(3, 30, 1000.0), Level(0, UNTOLD, resets_at)
    assert (merge(told, untold, 200.0).total, merge(untold, told, 200.0).total) == (30, 30)


@example(total=1, steps=[("wait", 4), ("send", 0), ("lose", 0), ("send", 0)])
@example(total=3, steps=[("send", 0), ("send", 0), ("lose", 1), ("arrive", 0), ("send", 0)])
@example(total=5, steps=[("wait", 4), *[("send", 0), ("lose", 0)] * 6])
@given(
    total=st.integers(1, 40),
    steps=st.lists(st.tuples(st.sampled_from(["send", "arrive", "lose", "wait"]), st.integers(0, 7)), max_size=120),
)
def test_i13_no_request_is_beyond_the_quota(total: int, steps: list[tuple[str, int]]) -> None:
    """Whatever is in flight, however answers overtake one another or get lost: the source never has to refuse."""
    quotas, now, used, began = Quotas(), 0.0, 0, -1e9
    flying: list[tuple[int, Told]] = []

    def serve() -> Told:
        nonlocal used, began
        if now >= began + WINDOW_S:
            used, began = 0, now
        used += 1
        assert used <= total
        return Told(total - used, float(int(began + WINDOW_S - now)))

    ask(quotas, now, serve())
    for step, which in steps:
        now += 1.0
        if step == "send" and len(flying) < 8:
            with contextlib.suppress(QuotaExhausted):
                ticket = quotas.reserve(ORG, now, is_write=which % 2 == 0)
                flying.append((ticket, serve()))
        elif step in ("arrive", "lose") and flying:
            ticket, told = flying.pop(which % len(flying))
            quotas.settle(ticket, ORG, now, told if step == "arrive" else None)
        elif step == "wait" and not flying:
            now += 900.0 * which

"""Who is stale and who was skipped: told once, and once again when it is over."""

from syncd.service.punctuality import News, Punctuality, Turn

FRESH = Turn("acme", 10.0, 900.0)
STALE = Turn("acme", 901.0, 900.0)


def names(news: News) -> tuple[list[str], list[str], list[str], list[str]]:
    """The tokens of each kind of news."""
    breached, restored, skipped = ([turn.token for turn in turns] for turns in (news[0], news[1], news[3]))
    return breached, restored, news.gone, skipped


def test_stale_token_is_told_once_and_told_again_when_it_is_fresh() -> None:
    """And the whole story again the next time."""
    punctuality = Punctuality()
    told = [names(punctuality.look([turn], 0.0)) for turn in (FRESH, STALE, STALE, FRESH, FRESH, STALE)]
    assert told == [
        ([], [], [], []),
        (["acme"], [], [], []),
        ([], [], [], []),
        ([], ["acme"], [], []),
        ([], [], [], []),
        (["acme"], [], [], []),
    ]
    assert punctuality.stale == 1


def test_bound_itself_is_kept() -> None:
    """Three intervals are promised, so three intervals are fine."""
    assert Punctuality().look([Turn("acme", 900.0, 900.0)], 0.0).breached == []


def test_token_that_never_succeeded_grows_stale_from_its_first_sight() -> None:
    """And keeps that instant, whoever comes and goes."""
    punctuality, new = Punctuality(), Turn("new", None, 900.0)
    assert punctuality.look([new], 1000.0).breached == []
    assert punctuality.look([new, FRESH], 1900.0).breached == []
    (breached,) = punctuality.look([new, FRESH], 1900.5).breached
    assert (breached.token, breached.staleness_s) == ("new", 900.5)


def test_token_that_comes_back_is_seen_for_the_first_time() -> None:
    """What was before it was taken out of the configuration is no reason for an alert."""
    punctuality, new = Punctuality(), Turn("new", None, 900.0)
    punctuality.look([new], 1000.0)
    punctuality.look([], 1500.0)
    assert punctuality.look([new], 5000.0).breached == []


def test_one_token_says_nothing_about_another() -> None:
    """Each has a bound of its own."""
    punctuality = Punctuality()
    punctuality.look([STALE, Turn("slow", 901.0, 10_800.0)], 0.0)
    assert names(punctuality.look([FRESH, Turn("slow", 10_801.0, 10_800.0)], 0.0)) == (["slow"], ["acme"], [], [])


def test_stale_token_that_is_taken_out_of_the_configuration_ends_its_alert() -> None:
    """Or it would ring for ever."""
    punctuality = Punctuality()
    punctuality.look([STALE], 0.0)
    assert names(punctuality.look([], 0.0)) == ([], [], ["acme"], [])
    assert punctuality.look([], 0.0).gone == []


def test_skipped_turn_is_told_once_per_reason_and_spell() -> None:
    """A token that waits for an hour is one line, not sixty."""
    punctuality = Punctuality()
    held, running = FRESH._replace(skipped="rate_limited"), FRESH._replace(skipped="running")
    told = [punctuality.look([turn], 0.0).skipped for turn in (held, held, running, FRESH, held)]
    assert told == [[held], [], [running], [], [held]]

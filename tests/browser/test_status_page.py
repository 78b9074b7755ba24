"""The page for people in a real Chromium: looks, width, contrast, what a screen reader hears, what it fetches."""

import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.browser.chromium import Chromium, Scheme, Tab
from tests.integration.service.pages_kit import Site, hold, put_aside, site_of

AUDIT = (Path(__file__).parent / "audit.js").read_text()
NAMES = ["acme", "globex", "initech", "umbrella", "hooli", "stark-industries", "wayne.enterprises"]
HOSTILE = [
    "<script>alert(1)</script>",
    "\u202egnp.exe\u202d",
    "x" * 400,
    '"><img src="http://192.0.2.1/x">',
    "a b" * 90,
]


@pytest.fixture
async def site(migrated_url: str) -> AsyncIterator[Site]:
    """A life as it may be: most tokens are well, some are not."""
    async with site_of(migrated_url, NAMES) as site:
        await live_a_little(site)
        yield site


async def live_a_little(site: Site) -> None:
    """Pulls of all kinds and lengths, and something for a person to do."""
    for place, name in enumerate(NAMES):
        for number in range(50 - 7 * place):
            swing = ((number * 37 + place * 11) % 23) / 10
            changed = (number * 7 + place) % 9 == 0
            site.pulled(name, "changed" if changed else "unchanged", 0.3 + swing + (4 if changed else 0))
    site.pulled("umbrella", "partial", 20)
    for _ in range(6):
        site.pulled("hooli", "failed", 0.2)
    await site.do(
        "UPDATE syncd.tokens SET row_count = 412 + 977 * rank, quota_remaining = 28 - 3 * rank,"
        " last_success_at = now() - (20 + 31 * rank) * interval '1 s',"
        " next_due_at = now() + (280 - 31 * rank) * interval '1 s'"
    )
    await site.do(
        "UPDATE syncd.tokens SET status = 'rejected', last_success_at = now() - interval '5 hours',"
        " last_error = 'GET /api/v9/me: HTTP 403', action_required = 'give the token a new value, then send SIGHUP'"
        " WHERE name = 'hooli'"
    )
    await hold(site, "globex")
    await put_aside(site, "umbrella")
    site.expire()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [320, 375, 900, 1280])
async def test_page_is_sound(chromium: Chromium, site: Site, width: int, scheme: Scheme) -> None:
    """No complaint on the console, nothing fetched but the page, no scrolling sideways, contrast of WCAG AA."""
    async with chromium.tab(width=width, scheme=scheme) as tab:
        await tab.open(f"{site.url}/")
        assert (tab.complaints, tab.requests) == ([], [f"{site.url}/"])
        await has_no_sideways_scroll(tab, width)
        audited = await tab.evaluate(AUDIT)
        assert {"acme", "7 tokens"} & {text for _, text, _ in audited}
        assert len(audited) > 80
        bounds = {"text": 4.5, "bar": 3.0}
        assert [finding for finding in audited if finding[2] < bounds[finding[0]]] == []
        keep(f"status-{scheme}-{width}.png", await tab.screenshot())


async def has_no_sideways_scroll(tab: Tab, width: int) -> None:
    measured = await tab.evaluate("[document.documentElement.scrollWidth, document.documentElement.clientWidth]")
    assert measured == [width, width]


@pytest.mark.parametrize("width", [320, 1280])
async def test_screen_reader_hears_a_table(chromium: Chromium, site: Site, width: int) -> None:
    """Also where the layout makes cards of its rows: headings, rows and cells stay what they are, plots have words."""
    async with chromium.tab(width=width) as tab:
        await tab.open(f"{site.url}/")
        heard = await tab.accessible()
        roles = [role for role, _ in heard]
        assert roles.count("table") == 1
        assert [name for role, name in heard if role == "columnheader"] == [
            "Token", "State", "As of", "Last pulls", "Next pull", "Rows", "Quota left"]  # fmt: skip
        assert {name for role, name in heard if role == "rowheader"} == set(NAMES)
        plots = [name for role, name in heard if role in ("image", "img")]
        assert len(plots) == len(NAMES)
        assert plots[0].startswith("the last 28 pulls: ")
        assert {"main", "heading", "list"} <= set(roles)
        assert ("heading", "1 of 7 tokens is not fresh") in heard


@pytest.mark.parametrize("width", [320, 1280])
async def test_hostile_words_do_nothing(chromium: Chromium, migrated_url: str, width: int) -> None:
    """Neither in a name nor in an error: no script runs, nothing is fetched, nothing is pushed out of the window."""
    async with site_of(migrated_url, HOSTILE) as site, chromium.tab(width=width) as tab:
        await site.do("UPDATE syncd.tokens SET status = 'failed', last_error = name, action_required = name")
        await hold(site, HOSTILE[2])
        await put_aside(site, HOSTILE[0])
        await tab.open(f"{site.url}/")
        assert (tab.complaints, tab.requests) == ([], [f"{site.url}/"])
        await has_no_sideways_scroll(tab, width)
        assert await tab.evaluate("document.querySelectorAll('script, img, body style').length") == 0
        names = await tab.evaluate("[...document.querySelectorAll('.name bdi')].map(name => name.textContent)")
        assert names == HOSTILE
        assert await tab.evaluate(
            "[...document.querySelectorAll('bdi')].every(b => getComputedStyle(b).unicodeBidi == 'isolate')"
        )


async def test_style_that_is_not_ours_is_refused(chromium: Chromium, site: Site) -> None:
    """The policy holds in a browser, not only on paper: a planted script and a planted style have no effect."""
    async with chromium.tab(width=1280) as tab:
        await tab.open(f"{site.url}/")
        await tab.evaluate(
            "document.body.insertAdjacentHTML('beforeend', '<p id=p style=\"color: rgb(1, 2, 3)\">x</p>');"
            "const s = document.createElement('script'); s.textContent = 'window.planted = 1'; document.body.append(s)"
        )
        assert await tab.evaluate("getComputedStyle(document.getElementById('p')).color") != "rgb(1, 2, 3)"
        assert await tab.evaluate("window.planted === undefined")
        assert len(tab.complaints) == 2


async def test_page_while_the_database_is_away(chromium: Chromium, site: Site) -> None:
    """It is still a page."""
    async with chromium.tab(width=375, scheme="dark") as tab:
        await tab.open(f"{site.url}/")
        site.database.pool.terminate()
        site.expire()
        await tab.open(f"{site.url}/")
        assert await tab.evaluate("document.querySelector('h1').textContent") == "The database is away"
        assert await tab.evaluate("document.querySelectorAll('.name').length") == len(NAMES)
        assert tab.complaints == []
        keep("status-away.png", await tab.screenshot())


def keep(name: str, image: bytes) -> None:
    """For people to look at, in $SYNCD_SCREENSHOTS."""
    directory = os.environ.get("SYNCD_SCREENSHOTS")
    if directory:
        Path(directory).mkdir(parents=True, exist_ok=True)
        Path(directory, name).write_bytes(image)

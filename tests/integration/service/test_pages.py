"""The pages by HTTP, on a real database: what they say, when they refuse, and what they never show."""

import json
import os
import re
import signal
from collections.abc import AsyncIterator

import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.integration.service.pages_kit import FINGERPRINT, SECRET, Site, hold, put_aside, site_of
from tests.processes import eventually

PATHS = ("/", "/status", "/metrics", "/livez", "/readyz")


@pytest.fixture
async def site(migrated_url: str) -> AsyncIterator[Site]:
    async with site_of(migrated_url, ["acme", "globex"]) as site:
        yield site


async def test_all_is_well(site: Site) -> None:
    """Every page says so in its own words."""
    site.pulled("acme", "changed", 2.5)
    assert ((await site.get("/livez")).text, (await site.get("/readyz")).text) == ("ok\n", "ok\n")
    page = (await site.get("/")).text
    assert "All 2 tokens are fresh" in page
    assert 'aria-label="the last pull: 1 changed; typically 2.5 s"' in page
    status = json.loads((await site.get("/status")).text)
    assert [row["token"] for row in status["tokens"]] == ["acme", "globex"]
    assert (status["daemon"]["role"], status["daemon"]["not_ready"]) == ("leader", None)
    assert status["tokens"][0]["last_success_at"].endswith("+00:00")


@pytest.mark.parametrize("path", PATHS)
async def test_pages_are_for_looking_only(site: Site, path: str) -> None:
    """HEAD is like GET without a body, and nothing else is allowed; each answer is locked down."""
    got, head = await site.get(path), await site.get(path, "HEAD")
    assert (got.status, head.status, head.text) == (200, 200, "")
    assert {name for name in got.headers if name not in ("Content-Length", "Date")} <= set(head.headers)
    for method in ("POST", "PUT", "DELETE", "PATCH", "OPTIONS"):
        assert (await site.get(path, method)).status == 405
    policy = got.headers["Content-Security-Policy"]
    assert policy.startswith("default-src 'none'; style-src 'sha256-")
    assert "unsafe" not in policy
    assert got.headers["X-Content-Type-Options"] == "nosniff"
    assert got.headers["Cache-Control"] == "no-store"
    assert got.headers["Server"] == "syncd"


@pytest.mark.parametrize("path", ["/nowhere", "/status/", "/../etc/passwd", "/%2e%2e/x", "/livez/x", "//"])
async def test_unknown_paths(site: Site, path: str) -> None:
    """404, with the same headers; nothing of the path comes back."""
    answer = await site.get(path)
    assert (answer.status, answer.text) == (404, "404: Not Found")
    assert "Content-Security-Policy" in answer.headers


async def test_a_name_that_is_not_configured_is_nowhere(site: Site) -> None:
    """Another configuration's token may be in the same database, with deletions held back and all."""
    await site.do(
        "INSERT INTO syncd.tokens (name, rank, fingerprint, pull_interval) VALUES ('stranger', 9, '', '5 min')"
    )
    await hold(site, "stranger")
    await put_aside(site, "stranger")
    for path in PATHS:
        text = (await site.get(path)).text
        assert "stranger" not in text, path
        assert SECRET not in text, path
        assert FINGERPRINT not in text, path


async def test_what_waits_for_a_person(site: Site) -> None:
    """Held-back deletions come with the command that settles them, quarantine with its reason."""
    await hold(site, "acme")
    await put_aside(site, "globex")
    page = (await site.get("/")).text
    assert "<code>syncd deletes approve 9f2c41d7e0b3</code>" in page
    assert "3 of 10 clients" in " ".join(page.split())
    assert "1 of 2 tokens needs a look" in page
    assert "bad_number" in page
    status = json.loads((await site.get("/status")).text)
    (held,) = status["deletes_held"]
    assert (held["hash"], held["deletes"]) == ("9f2c41d7e0b3", 3)
    assert status["quarantine"][0]["records"] == 1


async def test_metrics_are_of_now(site: Site) -> None:
    """Gauges per configured token; what is unknown has no series."""
    await site.do("UPDATE syncd.tokens SET last_success_at = NULL, quota_remaining = NULL WHERE name = 'globex'")
    found = samples((await site.get("/metrics")).text)
    assert 60 <= found["syncd_token_staleness_seconds{acme}"] < 120
    assert "syncd_token_staleness_seconds{globex}" not in found
    assert (found["syncd_token_quota_remaining{acme}"], found["syncd_token_rows{globex}"]) == (27, 1234)
    assert (found["syncd_database_up"], found["syncd_leader"], found["syncd_tokens{ok}"]) == (1, 1, 2)
    site.vitals.configure([])
    assert not any("acme" in name for name in samples((await site.get("/metrics")).text))


async def test_not_alive(site: Site) -> None:
    """Ticks or turns that stay away are a reason to restart; a database that is away is none."""
    site.clock.pushed_s += 31
    answer = await site.get("/livez")
    assert (answer.status, answer.text) == (503, "no tick of the scheduler for 31 s\n")
    site.vitals.ticked()
    site.clock.pushed_s += 290
    assert (await site.get("/livez")).status == 200
    site.clock.pushed_s += 12
    assert (await site.get("/livez")).text == "a turn of the dispatcher has not ended for 302 s\n"


async def test_not_fresh(site: Site) -> None:
    """Not ready when no token is fresh; one that is left behind is for the page and the alerts."""
    await site.do("UPDATE syncd.tokens SET last_success_at = now() - interval '1 hour' WHERE name = 'acme'")
    assert (await site.get("/readyz")).status == 200
    assert "1 of 2 tokens is not fresh" in (await site.get("/")).text
    await site.do("UPDATE syncd.tokens SET last_success_at = now() - interval '2 hours' WHERE name = 'globex'")
    site.expire()
    answer = await site.get("/readyz")
    assert answer.status == 503
    assert re.fullmatch(r"none of 2 tokens is fresh: the last success was 36\d\d s ago\n", answer.text)
    await site.do("UPDATE syncd.tokens SET last_success_at = NULL")
    site.expire()
    assert (await site.get("/readyz")).text == "none of 2 tokens is fresh: none was pulled yet\n"


async def test_a_quota_that_allows_less_is_no_breach(site: Site) -> None:
    """What the quota does not let one expect, nobody is woken for."""
    await site.do("UPDATE syncd.tokens SET quota_interval = '1 hour', last_success_at = now() - interval '2 hours'")
    assert (await site.get("/readyz")).status == 200
    assert "All 2 tokens are fresh" in (await site.get("/")).text


async def test_schema_that_is_not_ours(site: Site) -> None:
    """Behind, or ahead: the page says what to do."""
    await site.do("DELETE FROM syncd.migrations WHERE version = (SELECT max(version) FROM syncd.migrations)")
    answer = await site.get("/readyz")
    assert (answer.status, answer.text) == (503, "the schema is behind: run `syncd migrate`\n")


async def test_database_has_not_come_yet(migrated_url: str) -> None:
    """Alive, and nothing else."""
    async with site_of(migrated_url, ["acme"], is_open=False) as site:
        assert (await site.get("/livez")).status == 200
        answer = await site.get("/readyz")
        assert (answer.status, answer.text) == (503, "the database has not answered yet\n")
        assert "Starting" in (await site.get("/")).text
        assert json.loads((await site.get("/status")).text)["daemon"]["role"] == "starting"
        assert samples((await site.get("/metrics")).text)["syncd_database_up"] == 0


async def test_database_goes_away(site: Site) -> None:
    """What was known before is still shown, marked as such, and its staleness goes on growing."""
    before = samples((await site.get("/metrics")).text)["syncd_token_staleness_seconds{acme}"]
    site.database.pool.terminate()
    site.clock.pushed_s += 1000
    site.vitals.ticked()
    site.vitals.turned(leads=False, in_flight=0)
    assert (await site.get("/livez")).status == 200
    answer = await site.get("/readyz")
    assert (answer.status, answer.text) == (503, "the database does not answer\n")
    page = (await site.get("/")).text
    assert "The database is away" in page
    assert "acme" in page
    after = samples((await site.get("/metrics")).text)
    assert after["syncd_database_up"] == 0
    assert after["syncd_token_staleness_seconds{acme}"] >= before + 1000


async def test_database_that_hangs(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that takes the question and never answers costs a page its patience, not its life."""
    async with site.database.connection() as blocker, blocker.transaction():
        monkeypatch.setattr("syncd.service.overview.ANSWER_WITHIN_S", 0.1)
        await blocker.execute("LOCK TABLE syncd.tokens IN ACCESS EXCLUSIVE MODE")
        assert (await site.get("/readyz")).text == "the database does not answer\n"
        assert "The database is away" in (await site.get("/")).text
        monkeypatch.undo()

    async def is_ready() -> bool:
        return (await site.get("/readyz")).text == "ok\n"

    await eventually(is_ready)


@pytest.mark.timeout(30)
async def test_server_that_is_frozen(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """It does not even give up the question when told to: the page does not wait for that."""
    async with site.database.connection() as connection:
        backend: int = await connection.fetchval("SELECT pg_backend_pid()")
    monkeypatch.setattr("syncd.service.overview.ANSWER_WITHIN_S", 0.1)
    os.kill(backend, signal.SIGSTOP)
    try:
        assert (await site.get("/readyz")).text == "the database does not answer\n"
        assert (await site.get("/livez")).text == "ok\n"
    finally:
        os.kill(backend, signal.SIGCONT)
    monkeypatch.undo()

    async def is_ready() -> bool:
        return (await site.get("/readyz")).text == "ok\n"

    await eventually(is_ready)


HOSTILE = ["<script>alert(1)</script>", "\u202egnp.exe", "x" * 5000, '"><img src=x onerror=alert(1)>', "{{ 7*7 }}"]


async def test_hostile_words_are_only_words(migrated_url: str) -> None:
    """Whatever a name or an error says, it is text."""
    async with site_of(migrated_url, HOSTILE) as site:
        await site.do("UPDATE syncd.tokens SET last_error = name, action_required = '</td><b>' || name")
        page = (await site.get("/")).text
        assert "<script" not in page
        assert "<img" not in page
        assert "<b>" not in page
        assert "{{ 7*7 }}" in page
        assert "<bdi>\u202egnp.exe</bdi>" in page
        assert {row["token"] for row in json.loads((await site.get("/status")).text)["tokens"]} == set(HOSTILE)
        labels = {name for name in samples((await site.get("/metrics")).text) if name.startswith("syncd_token_rows")}
        assert labels == {f"syncd_token_rows{{{name}}}" for name in HOSTILE}


async def test_a_thousand_tokens(migrated_url: str) -> None:
    """A page holds a hundred of them, the ones in trouble first, with all their plots, in bounded size."""
    names = [f"token-{number:04}" for number in range(1000)]
    async with site_of(migrated_url, names) as site:
        await site.do("UPDATE syncd.tokens SET status = 'rejected' WHERE name = 'token-0777'")
        for name in names:
            for number in range(60):
                site.pulled(name, ("unchanged", "changed", "partial", "failed")[number % 4], number)
        first = (await site.get("/")).text
        assert len(first) < 400_000
        assert re.findall(r"<bdi>(token-\d+)</bdi></th>", first)[:2] == ["token-0777", "token-0000"]
        assert "Page 1 of 10, 1,000 tokens" in first
        seen = []
        for number in range(1, 11):
            seen += re.findall(r"<bdi>(token-\d+)</bdi></th>", (await site.get(f"/?page={number}")).text)
        assert sorted(seen) == names
        for odd in ("0", "-1", "11", "x", "9" * 500, "%00", "²"):
            assert (await site.get(f"/?page={odd}")).status == 200


def samples(text: str) -> dict[str, float]:
    """`name` or `name{values of labels}` -> value."""
    return {
        sample.name + (f"{{{','.join(sample.labels.values())}}}" if sample.labels else ""): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }

"""A source that wants to write our log, and the places where a secret might show.

Every process is judged besides: its lines are events of the catalogue, numbered without a gap, and hold no secret.
"""

import asyncio
import json
import signal
from pathlib import Path

import aiohttp

from syncd.emulator import mishaps
from syncd.emulator.faults import Mishap
from syncd.emulator.model import World
from syncd.emulator.server import Emulator
from tests.integration.cli.stage import CANARY_PASSWORD, CANARY_TOKEN, WORKSPACES, Mirror
from tests.processes import Outcome, Syncd, spellings
from tests.servers import unused_port

LINE = '{"@timestamp":"2024-05-06T07:08:09.000Z","event.action":"syncd.forged","event.sequence":1}'
FORGED = f"Acme\r\n{LINE}\n\u2028{LINE}\x1b[2J\x1b]0;owned\x07\x9b31m\x00"
STARTUP = 1239456


def assert_untouched(outcome: Outcome) -> None:
    """No event of theirs, no line that is not ours, and nothing that a terminal would obey."""
    assert "syncd.forged" not in outcome.names
    whole = outcome.stdout + outcome.stderr
    assert all(character.isprintable() or character == "\n" for character in whole)
    assert not [line for line in whole.splitlines() if LINE in line and not line.startswith('{"@timestamp"')]


async def test_names_do_not_write_the_log(configured: Syncd, world: World, mirror: Mirror) -> None:
    """Stored as they are, but for what PostgreSQL cannot hold; the log does not even mention them."""
    name = FORGED.replace("\x00", "")
    world.update_client(STARTUP, name=name)
    async with configured.running("run") as daemon:
        await daemon.event("syncd.pull.finish", {"syncd.pull.result": "changed"})
        outcome = await daemon.stop(signal.SIGTERM)
    assert_untouched(outcome)
    assert "Acme" not in outcome.stdout
    assert await mirror.rows(f"SELECT name FROM toggl.clients WHERE id = {STARTUP}") == [(name,)]


# Those that end a pull at once: what is tried again says no more than its status.
ANSWERS: dict[str, Mishap] = {
    "status401": mishaps.status(401, FORGED.encode()),
    "status402": mishaps.status(402, FORGED.encode() + b" quota"),
    "status418": mishaps.status(418, FORGED.encode()),
    "no-json": mishaps.status(200, FORGED.encode()),
    "object": mishaps.status(200, json.dumps({FORGED: FORGED}).encode()),
    "id": mishaps.status(200, json.dumps([{"id": FORGED, "name": FORGED}]).encode()),
    "keys": mishaps.status(200, json.dumps([{"id": 7, FORGED: 1, "name": [FORGED]}]).encode()),
    "content-type": mishaps.wrong_type(f"text/{LINE.replace(',', ';')}"),
    "redirect": mishaps.redirect(f"https://{LINE}@h/"),
}


async def test_answers_do_not_write_the_log(configured: Syncd, world: World, toggl: Emulator) -> None:
    """Whatever part of them comes to be told; each token meets another one."""
    tokens = {name.replace("-", "_"): f"{CANARY_TOKEN}-{name}" for name in ANSWERS}
    for name, mishap in ANSWERS.items():
        world.add_user(name, tokens[name.replace("-", "_")])
        toggl.faults.add(mishap, path=WORKSPACES["v9"], token=name, times=None)
    configured.configure(tokens=tokens)
    outcome = await configured("once", "--json")
    assert_untouched(outcome)
    assert [fault.mishap.label for fault in toggl.faults.added if not fault.fired] == []
    assert outcome.names.count("syncd.pull.finish") == len(ANSWERS)


async def test_secrets_are_nowhere_to_be_seen(configured: Syncd, mirror: Mirror) -> None:
    """Neither on the pages, nor in the list of processes, nor in what the database shows of its sessions."""
    port = unused_port()
    configured.configure(service={"listen": f"127.0.0.1:{port}"})
    async with configured.running("run") as daemon, aiohttp.ClientSession(f"http://127.0.0.1:{port}") as http:
        await daemon.event("syncd.pull.finish")
        seen = [await asyncio.to_thread(Path(f"/proc/{daemon.pid}/cmdline").read_text)]
        for page in ("/", "/status", "/metrics", "/livez", "/readyz", "/nowhere"):
            async with http.get(page) as answer:
                seen += [await answer.text(), *answer.headers.values()]
        seen += [str(row) for row in await mirror.rows("SELECT a::text FROM pg_stat_activity a")]
        assert (await daemon.stop(signal.SIGTERM)).exit_code == 0
    assert "syncd_pulls_total" in "".join(seen)
    for secret in (CANARY_TOKEN, CANARY_PASSWORD):
        assert [spelling for spelling in spellings(secret) if spelling in "".join(seen)] == []

"""docs/emulator.md is true: its tables, its curl lines and its tests."""

import asyncio
import re
import shutil
from pathlib import Path

import pytest

from syncd.emulator import pytest_plugin, seed
from syncd.emulator.control_calls import Calls
from syncd.emulator.control_faults import MISHAPS
from syncd.emulator.stand import Wanted, standing
from syncd.emulator.timepiece import Timepiece
from tests.docs.pages import blocks, read
from tests.integration.emulator.test_control import NOON
from tests.integration.emulator.test_pytest_plugin import run

PAGE = "docs/emulator.md"
TEXT = read(PAGE)


async def test_every_call_is_in_the_table_and_no_other() -> None:
    """With what it does and takes; the many fields of rows and the switches are left to its own description."""
    async with standing(seed.documented, lambda: NOON, Wanted()) as stand:
        calls = Calls(stand.emulator, Timepiece(lambda: NOON), stand.begin).table()
    lines = []
    for call in calls:
        query = "".join(f"?{name}=" for name in call.query)
        is_row = call.path.split("/")[1] in {"workspaces", "clients", "projects", "switches"} and call.method != "GET"
        fields = "…" if is_row and call.path.count("/") < 3 else ", ".join(call.body)
        takes = f" ({fields})" if call.body else ""
        lines.append(f"| `{call.method} /_emulator{call.path}{query}` | {call.does}{takes} |")
    assert re.findall(r"^\| `[A-Z]+ /_emulator.*$", TEXT, re.MULTILINE) == lines


def test_every_mishap_and_every_word_of_the_marker_is_told() -> None:
    for name in (*MISHAPS, *pytest_plugin.SIZES, *pytest_plugin.OPTIONS):
        assert f"`{name}`" in TEXT, name


@pytest.mark.skipif(shutil.which("curl") is None, reason="no curl here")
async def test_every_curl_line_works() -> None:
    """In the order of the page, as a shell runs them."""
    script = "\n".join(block for block in blocks(PAGE, "sh") if "curl " in block)
    assert script.count("curl ") >= 20
    async with standing(seed.documented, lambda: NOON, Wanted()) as stand:
        printed = await shell(f"set -e\nE={stand.emulator.url}/_emulator\n{script}")
        assert list(stand.emulator.world.clients) == [1239455, 1239456]
    assert '"fired":0,"armed":true' in printed


async def shell(script: str) -> str:
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(
        "sh", stdin=pipe, stdout=pipe, stderr=pipe, env={"PATH": "/usr/bin:/bin"}
    )
    out, err = await process.communicate(script.encode())
    assert (process.returncode, err) == (0, b""), out
    return out.decode()


def test_the_tests_on_the_page_pass(tmp_path: Path) -> None:
    (tmp_path / "pytest.ini").write_text("[pytest]\n")
    (tmp_path / "test_page.py").write_text("".join(blocks(PAGE, "python")))
    assert "2 passed" in run(tmp_path, "-q")

"""What the image and the compose file repeat of other files, and must not contradict."""

import json
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
COMPOSE = (ROOT / "docker-compose.yml").read_text()
DOCKERFILE = (ROOT / "Dockerfile").read_text()


def test_demo_knows_the_token_of_its_emulator() -> None:
    """The emulator makes its token out of the seed in its command; the demo has it written down."""
    command = re.search(r"command: \[(emulate, .*)\]", COMPOSE)
    token = re.search(r"TOGGL_API_TOKEN: (\w+)", COMPOSE)
    assert command
    assert token
    arguments = [argument.strip(' "') for argument in command[1].split(",")]
    arguments[arguments.index("--host") + 1] = "127.0.0.1"
    arguments[arguments.index("--port") + 1] = "0"

    with subprocess.Popen(
        [sys.executable, "-m", "syncd", *arguments, "--json"], stdout=subprocess.PIPE, text=True, cwd=ROOT
    ) as emulator:
        try:
            assert emulator.stdout
            announced = json.loads(emulator.stdout.readline())
        finally:
            emulator.kill()

    assert [token[1]] == [entry["token"] for entry in announced["tokens"]]


def test_image_is_given_every_file_it_copies() -> None:
    """A file that .dockerignore holds back would fail the build, far away from here."""
    allowed = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    copied = {
        source
        for line in re.findall(r"^COPY (?!--from)(.*)$", DOCKERFILE, re.MULTILINE)
        for source in line.split()[:-1]
    }

    assert allowed == copied
    assert all((ROOT / name).exists() for name in copied)


def test_image_gets_rid_of_build_tools_that_are_locked() -> None:
    """`pip uninstall` only warns about a name that is not installed, such as one that has changed."""
    removed = re.search(r"uninstall --yes (.*)$", DOCKERFILE, re.MULTILINE)
    assert removed
    locked = set(re.findall(r"^([a-z0-9-]+)==", (ROOT / "requirements" / "run.txt").read_text(), re.MULTILINE))

    assert set() == set(removed[1].split()) - locked
    assert {"hatchling", "editables"} <= set(removed[1].split())

"""What Tab offers, asked as bash asks."""

from pathlib import Path

import pytest

from tests.processes import Syncd


async def offered(syncd: Syncd, *words: str) -> list[str]:
    """What completes the last of the words."""
    asked = {
        "_SYNCD_COMPLETE": "bash_complete",
        "COMP_WORDS": " ".join(["syncd", *words]),
        "COMP_CWORD": str(len(words)),
    }
    outcome = await syncd(environ=asked)
    assert (outcome.exit_code, outcome.stderr) == (0, "")
    return [line.partition(",")[2] for line in outcome.stdout.splitlines() if line]


@pytest.fixture
def with_tokens(syncd: Syncd, tmp_path: Path) -> Syncd:
    """A configuration whose secrets nobody can read now: their names are all that is asked for."""
    directory = tmp_path / "tokens"
    directory.mkdir()
    (directory / "globex").touch()
    syncd.configure(toggl={"token_dir": "tokens"}, tokens=[{"name": "acme", "token_env": "NOT_SET"}])
    return syncd


async def test_commands_options_and_names_of_tokens_are_offered(with_tokens: Syncd) -> None:
    """Down to the names that a person gave."""
    assert await offered(with_tokens, "mig") == ["migrate"]
    assert "--roles" in await offered(with_tokens, "migrate", "--")
    assert await offered(with_tokens, "deletes", "a") == ["approve"]
    for command in (("once",), ("resync",), ("verify",), ("quarantine", "list"), ("clients", "list")):
        assert await offered(with_tokens, *command, "--token", "") == ["acme", "globex"], command


@pytest.mark.parametrize("text", ["[[tokens]\n", 'tokens = "acme"\n[toggl]\ntoken_dir = "nowhere"\n'])
async def test_wrong_configuration_offers_nothing_and_says_nothing(syncd: Syncd, text: str) -> None:
    """A message in the middle of a half-typed line helps nobody."""
    (syncd.home / "config.toml").write_text(text)
    assert await offered(syncd, "once", "--token", "") == []

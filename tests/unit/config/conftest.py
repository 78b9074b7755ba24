"""A place without any configuration, and a way to write one."""

from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from syncd import config
from syncd.config import Settings, load_settings
from syncd.errors import ConfigError


@pytest.fixture(autouse=True)
def nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working directory, and no /etc/syncd of this machine."""
    work = tmp_path / "work"
    work.mkdir()
    monkeypatch.chdir(work)
    monkeypatch.setattr(config, "SYSTEM_CONFIG", tmp_path / "etc" / "config.toml")
    return work


@pytest.fixture
def load(tmp_path: Path) -> Callable[..., Settings]:
    """Loads settings out of a TOML text and an environment."""

    def load(text: str, environ: Mapping[str, str] | None = None, *, require_tokens: bool = True) -> Settings:
        path = tmp_path / "config.toml"
        path.write_text(text, encoding="utf-8")
        return load_settings(path, environ or {}, require_tokens=require_tokens)

    return load


@pytest.fixture
def problems(load: Callable[..., Settings]) -> Callable[..., list[str]]:
    """The problems of a TOML text and an environment, each checked to be one line; the path shortened to FILE."""

    def problems(text: str, environ: Mapping[str, str] | None = None) -> list[str]:
        with pytest.raises(ConfigError) as caught:
            load(text, environ)
        assert caught.value.__context__ is None, "what lies behind it may show values"
        assert all(len(problem.splitlines()) == 1 for problem in caught.value.problems)
        return [_shortened(problem) for problem in caught.value.problems]

    def _shortened(problem: str) -> str:
        path, colon, rest = problem.partition("config.toml: ")
        return "FILE: " + rest if colon and path.startswith("/") else problem

    return problems

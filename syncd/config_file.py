"""The file of the settings, as a tree of TOML."""

import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from syncd import config_problems as words
from syncd.errors import ConfigError, reason_of
from syncd.tokens import shown


def read_toml(file: Path, problems: Sequence[str]) -> dict[str, Any]:
    """The tables of *file*.

    Raises:
        ConfigError: the *problems* found before, and the file's. Without it nobody knows what else is wrong.
    """
    try:
        return tomllib.loads(file.read_bytes().decode("utf-8-sig"))
    except UnicodeDecodeError:
        problem = "is not UTF-8 text; save it as UTF-8"
    except tomllib.TOMLDecodeError as error:
        problem = words.toml_problem(str(error))
    except RecursionError:
        problem = "is nested too deeply; see config.example.toml"
    except OSError as error:
        problem = f"cannot be read ({reason_of(error)}); correct path or rights"
    raise ConfigError([*problems, f"{shown(str(file))}: {problem}"])

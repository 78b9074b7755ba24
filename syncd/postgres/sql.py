"""Loads `sql/`: numbered migrations and named queries. All SQL of the project lives there, none in Python."""

import hashlib
import re
from functools import cache
from pathlib import Path
from typing import NamedTuple

_ROOM = Path(__file__).resolve().parents[1]
ROOT = _ROOM / "sql" if (_ROOM / "sql").is_dir() else _ROOM.parent / "sql"
"""In a wheel `sql/` lies inside the package, in a checkout beside it."""

_NAME = re.compile(r"^-- name: (\w+)$", re.MULTILINE)
_STATEMENT = re.compile(r"""(?:--[^\n]*|'[^']*'|"[^"]*"|(\$\w*\$).*?\1|[^;])+""", re.DOTALL)


class Migration(NamedTuple):
    """One numbered file. `checksum` ignores how lines end, so that a checkout on another system is the same file."""

    version: int
    name: str
    text: str

    @property
    def checksum(self) -> str:
        return hashlib.sha256("\n".join(self.text.splitlines()).encode()).hexdigest()


def statements(text: str) -> list[str]:
    """The statements of a file, one by one: split at semicolons outside of comments, quotes and dollar quotes."""
    found = (match[0].strip() for match in _STATEMENT.finditer(text))
    return [statement for statement in found if statement]


@cache
def queries() -> dict[str, str]:
    """Every query by name. A query starts at `-- name: NAME` and ends at the next one."""
    found: dict[str, str] = {}
    for path in sorted((ROOT / "queries").glob("*.sql")):
        _, *parts = _NAME.split(path.read_text("utf-8"))
        for name, text in zip(parts[::2], parts[1::2], strict=True):
            if name in found:
                raise ValueError(f"{path.name}: a second query is named {name}")
            found[name] = text.strip()
    return found


def roles() -> str:
    """What makes the roles and gives them their rights: many statements, for one transaction."""
    return (ROOT / "roles.sql").read_text("utf-8")


def migrations(root: Path = ROOT) -> list[Migration]:
    """Every migration, ascending, numbered without gaps from 1."""
    files = sorted((root / "migrations").glob("[0-9]*_*.sql"))
    found = [Migration(int(path.name.split("_")[0]), path.stem, path.read_text("utf-8")) for path in files]
    if [m.version for m in found] != list(range(1, len(found) + 1)):
        raise ValueError(f"migrations are not numbered 1 to {len(found)}: {[m.name for m in found]}")
    return found

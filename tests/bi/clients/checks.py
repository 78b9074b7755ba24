"""What the clients share: each is a program of its own, in an environment of its own, logged in as the reader.

It prints "version …" and, for everything that was looked at, "ok …" or "not ok …: expected …, found …". A check that
fails ends nothing: the list is to be whole.
"""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

TRUTH: dict[str, Any] = json.loads(Path(os.environ["BI_TRUTH"]).read_text())
RELATIONS: dict[str, Any] = TRUTH["relations"]
"""name -> kind ("table" or "view"), comment, primary_key, columns (see docs/schema.json), count"""
CLIENT: dict[str, Any] = TRUTH["client"]
PROJECT: dict[str, Any] = TRUTH["project"]
PG = {name: os.environ[f"PG{name.upper()}"] for name in ("host", "port", "database", "user", "password")}
SHOWN = 400


def version(*parts: str) -> None:
    """Tell what is tried."""
    print("version", ", ".join(parts), flush=True)


def check(what: str, found: object, expected: object) -> None:
    """Hold `found` against `expected`, and tell; of mappings, only what differs."""
    if found == expected:
        print("ok", what, flush=True)
        return
    if isinstance(found, Mapping) and isinstance(expected, Mapping):
        keys = [key for key in {**expected, **found} if found.get(key, ...) != expected.get(key, ...)]
        found = {key: found[key] for key in keys if key in found}
        expected = {key: expected[key] for key in keys if key in expected}
    print(f"not ok {what}: expected {_short(expected)}, found {_short(found)}", flush=True)


def columns(fact: str) -> dict[str, Any]:
    """relation.column -> type, comment or references, of all relations."""
    return {f"{name}.{column['name']}": column[fact] for name, relation in RELATIONS.items()
            for column in relation["columns"]}  # fmt: skip


def required() -> dict[str, bool]:
    """relation.column -> whether the server knows that it is never NULL: of views it knows nothing."""
    tables = {name for name, kind in of_relations("kind").items() if kind == "table"}
    return {pair: pair.split(".")[0] in tables and not nullable for pair, nullable in columns("nullable").items()}


def foreign_keys() -> dict[str, dict[str, str]]:
    """relation -> its foreign keys: column -> relation."""
    return {name: {column["name"]: column["references"] for column in relation["columns"] if column["references"]}
            for name, relation in RELATIONS.items()}  # fmt: skip


def of_relations(fact: str) -> dict[str, Any]:
    """relation -> comment, primary_key, kind or count."""
    return {name: relation[fact] for name, relation in RELATIONS.items()}


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}…"

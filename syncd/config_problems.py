"""Sentences for what is wrong with a configuration: what, where (file and key), what to do; never a value."""

import difflib
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import get_args

from pydantic import BaseModel
from pydantic_core import ErrorDetails

from syncd.tokens import shown

PREFIX = "SYNCD_"
TOKENS_ENV = "SYNCD_TOKENS"
# Not settings, but ours: where the file is, where PostgreSQL's programs are, and what the tests need.
_OTHER_NAMES = ("SYNCD_CONFIG", "SYNCD_PG_BINDIR")
_TEST_PREFIX = "SYNCD_TEST_"
# Kubernetes tells every pod about a Service named syncd by variables that nobody chose.
_SERVICE_LINK = re.compile(r"SYNCD(_\w+)?_(SERVICE_(HOST|PORT(_\w+)?)|PORT(_[0-9]+_(TCP|UDP)(_(PROTO|PORT|ADDR))?)?)")

_SENTENCES = {
    "missing": "is missing; every token needs it",
    "string_type": "must be text in quotes",
    "path_type": "must be a path in quotes",
    "int_type": "must be a whole number",
    "int_parsing": "must be a whole number",
    "int_from_float": "must be a whole number",
    "float_type": "must be a number",
    "float_parsing": "must be a number",
    "finite_number": "must be a finite number",
    "bool_type": "must be true or false",
    "bool_parsing": "must be true or false",
    "tuple_type": "must be a list in square brackets",
    "model_type": "must be a table, with its keys on lines of their own",
}
_BOUNDS = {"ge": "at least", "gt": "more than", "le": "at most"}

Location = tuple[str | int, ...]
Tables = Mapping[tuple[str, ...], tuple[str, ...]]


def tables_of(model: type[BaseModel], path: tuple[str, ...] = ()) -> dict[tuple[str, ...], tuple[str, ...]]:
    """Every table that may be written, as path -> its keys: `{("sync", "deletes"): ("enabled", …), …}`."""
    tables = {path: tuple(model.model_fields)}
    for key, field in model.model_fields.items():
        for kind in (field.annotation, *get_args(field.annotation)):
            if isinstance(kind, type) and issubclass(kind, BaseModel):
                tables |= tables_of(kind, (*path, key))
    return tables


def environment_names(tables: Tables) -> dict[str, tuple[str, ...]]:
    """Every environment variable that is a setting -> where it belongs in the tree."""
    return {TOKENS_ENV: ("tokens",)} | {
        PREFIX + "__".join((*path, key)).upper(): (*path, key)
        for path, keys in tables.items()
        if path[:1] != ("tokens",)
        for key in keys
        if (*path, key) not in tables
    }


def environment_problems(environ: Mapping[str, str], known: Mapping[str, Location]) -> list[str]:
    """One sentence for each variable that looks like ours and is none, or whose JSON cannot be read."""
    problems = []
    for name in sorted(environ):
        if not name.upper().startswith(PREFIX) or name in known or name in _OTHER_NAMES:
            continue
        if name.startswith(_TEST_PREFIX) or _SERVICE_LINK.fullmatch(name):
            continue
        guess = _closest(name.upper(), [*known, *_OTHER_NAMES], likeness=0.75)  # they share their beginning
        hint = f"did you mean {guess}?" if guess else "names are like SYNCD_DATABASE__URL; see config.example.toml"
        problems.append(f"environment: {shown(name)}: is not a setting; {hint}")
    if not is_json(environ.get(TOKENS_ENV, "[]")):
        sample = '[{"name": "acme", "token_env": "TOGGL_ACME"}]'
        problems.append(f"environment: {TOKENS_ENV}: is not valid JSON; write it like {sample}")
    return problems


def is_json(text: str) -> bool:
    """Whether *text* is a JSON document."""
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return False
    return True


def describe(error: ErrorDetails, tables: Tables) -> str:
    """What is wrong and what to do, without the key and without the value."""
    kind, context = error["type"], error.get("ctx", {})
    if kind == "extra_forbidden":
        return _unknown_key(error["loc"], tables)
    if kind == "value_error":
        return str(context["error"])
    if kind == "literal_error":
        return f"must be one of {context['expected']}"
    if kind == "tuple_type" and error["loc"] == ("tokens",):
        return "must be a list of tables; begin each token with [[tokens]]"
    bounds = [f"{word} {context[key]}" for key, word in _BOUNDS.items() if key in context]
    return f"must be {' and '.join(bounds)}" if bounds else _SENTENCES.get(kind, "has a value of the wrong kind")


def key_label(location: Location, tokens: Sequence[object]) -> str:
    """How *location* reads in the file: `[sync.deletes] min_age`, `[[tokens]] acme: interval`."""
    if location[:1] == ("tokens",) and len(location) > 1 and isinstance(location[1], int):
        rest = ".".join(shown(str(part)) for part in location[2:])
        return token_label(location[1], tokens) + (f": {rest}" if rest else "")
    *table, key = (shown(str(part)) for part in location if not isinstance(part, int))
    return f"[{'.'.join(table)}] {key}" if table else key


def token_label(index: int, tokens: Sequence[object]) -> str:
    """`[[tokens]] acme`, or `[[tokens]] no. 2` where the entry has no name that can be shown."""
    entry = tokens[index] if index < len(tokens) else None
    name = entry.get("name") if isinstance(entry, Mapping) else None
    return f"[[tokens]] {shown(name)}" if isinstance(name, str) and name else f"[[tokens]] no. {index + 1}"


def _unknown_key(location: Location, tables: Tables) -> str:
    path = tuple(part for part in location[:-1] if isinstance(part, str))
    key = str(location[-1])
    if path == ("tokens",) and key in ("token", "secret", "api_token", "password"):
        return "a secret is never written here; name its place with token_env, token_file or credential"
    guess = _closest(key, tables.get(path, ()))
    if guess:
        return f"unknown key; did you mean {guess}?"
    elsewhere = [where for where, keys in tables.items() if key in keys and where != path]
    if elsewhere:
        return f"unknown key here; it belongs into [{'.'.join(elsewhere[0])}]" if elsewhere[0] else "unknown key here"
    return f"unknown key; known here: {', '.join(tables.get(path, ()))}"


def _closest(word: str, candidates: Iterable[str], likeness: float = 0.6) -> str | None:
    return next(iter(difflib.get_close_matches(word, list(candidates), n=1, cutoff=likeness)), None)


def toml_problem(message: str) -> str:
    """A sentence for tomllib's *message*, such as "Invalid value (at line 3, column 8)"."""
    reason, _, place = message.rpartition(" (at ")
    hint = "text needs quotes" if reason == "Invalid value" else "correct the line"
    return f"is not valid TOML at {place.rstrip(')')}: {shown(reason.lower())}; {hint}"

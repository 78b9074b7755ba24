"""The page for people: what it says, as plain data for its template. No script, nothing from elsewhere."""

import base64
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template

from syncd.durations import brief
from syncd.service.overview import Overview, unreadiness
from syncd.service.plot import HEIGHT, WIDTH, Plot, plot
from syncd.service.recent import RecentPulls
from syncd.service.vitals import Vitals
from syncd.telemetry.logs import program_version

PER_PAGE = 100
REFRESH_S = 30
_LONGEST_TEXT = 300
_ROOM = Path(__file__).parent / "templates"
_STYLE = (_ROOM / "status.css").read_text("utf-8")

_WORDS = {
    "ok": ("good", "fresh"),
    "running": ("good", "pulling now"),
    "late": ("bad", "late"),
    "rate_limited": ("warn", "parked by the API's limits"),
    "rejected": ("bad", "token rejected"),
    "deletes_blocked": ("warn", "deletions held back"),
    "failed": ("bad", "failing"),
    "disabled": ("off", "disabled"),
}
_URGENCY = {"bad": 0, "warn": 1, "good": 2, "off": 3}


def _policy() -> str:
    style = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
    return (
        f"default-src 'none'; style-src 'sha256-{style}'; img-src data:; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )


SECURITY_POLICY = _policy()
"""The only style that counts is ours; scripts, frames, forms and other hosts do not exist."""


@dataclass(frozen=True, slots=True)
class TokenLine:
    """One token. `tone`: good, warn, bad or off. `age`: of its rows, in words; None: never pulled."""

    name: str
    tone: str
    state: str
    age: str | None
    success_at: datetime | None
    due: str
    plot: Plot
    rows: int
    quota: int | None
    advice: str


def render(overview: Overview, vitals: Vitals, recent: RecentPulls, now: datetime, page: str | None = None) -> str:
    """The whole page. `now`: by this machine's clock. `page`: from 1; anything else is the first."""
    rows = sorted(overview.tokens, key=lambda row: _URGENCY[_tone(row, overview)[0]])
    pages = max(1, -(-len(rows) // PER_PAGE))
    number = min(int(page), pages) if page and page.isascii() and page.isdecimal() and len(page) < 9 else 1
    number = max(1, number)
    shown = rows[(number - 1) * PER_PAGE : number * PER_PAGE]
    return _template().render(
        style=_STYLE,
        refresh_s=REFRESH_S,
        headline=headline(overview, vitals),
        problem=overview.problem,
        not_ready=unreadiness(overview),
        not_alive=vitals.ailment(),
        facts=_facts(overview, vitals),
        now=now,
        tokens=[_line(row, overview, recent, now) for row in shown],
        total=len(rows),
        page=number,
        pages=pages,
        held=[{**row, "age": _ago(now - row["since"])} for row in overview.held],
        quarantine=[{**row, "age": _ago(now - row["since"])} for row in overview.quarantine],
        plot_width=WIDTH,
        plot_height=HEIGHT,
    )


def headline(overview: Overview, vitals: Vitals) -> tuple[str, str]:
    """(tone, one sentence) that a glance from the other side of the room must get right."""
    if vitals.ailment():
        return "bad", "syncd is stuck"
    if overview.problem:
        return ("warn", "Starting") if vitals.role == "starting" else ("bad", "The database is away")
    tones = [_tone(row, overview)[0] for row in overview.tokens if row["status"] != "disabled"]
    if not tones:
        return "warn", "No tokens"
    bad, warn = tones.count("bad"), tones.count("warn")
    if bad:
        return "bad", f"{bad} of {_tokens(len(tones))} {'is' if bad == 1 else 'are'} not fresh"
    if warn:
        return "warn", f"{warn} of {_tokens(len(tones))} {'needs' if warn == 1 else 'need'} a look"
    return "good", "The token is fresh" if len(tones) == 1 else f"All {len(tones)} tokens are fresh"


def _tokens(count: int) -> str:
    return f"{count} token" if count == 1 else f"{count} tokens"


def _tone(row: Mapping[str, Any], overview: Overview) -> tuple[str, str]:
    tone, state = _WORDS[row["status"]]
    staleness_s = overview.staleness_s(row)
    if tone == "good" and staleness_s is None:
        return "warn", "first pull to come" if row["status"] == "ok" else state
    if row["status"] == "late" and row["last_attempt_at"] is None:
        return "warn", "first pull to come"
    if tone == "good" and not overview.is_fresh(row):
        return "bad", "late"
    return tone, state


def _line(row: Mapping[str, Any], overview: Overview, recent: RecentPulls, now: datetime) -> TokenLine:
    tone, state = _tone(row, overview)
    staleness_s, due_at = overview.staleness_s(row), row["next_due_at"]
    return TokenLine(
        name=row["token"],
        tone=tone,
        state=state,
        age=None if staleness_s is None else _ago(timedelta(seconds=staleness_s)),
        success_at=row["last_success_at"],
        due="never" if due_at is None else "now" if due_at <= now else f"in {brief(due_at - now)}",
        plot=plot(recent.of(row["token"])),
        rows=row["rows"],
        quota=row["quota_remaining"],
        advice=_shortened(" · ".join(filter(None, (row["last_error"], row["action_required"])))),
    )


def _facts(overview: Overview, vitals: Vitals) -> list[tuple[str, str]]:
    roles = {"starting": "starting", "leader": "leader: pulls", "standby": "standby: another process pulls"}
    return [
        ("Role", roles[vitals.role]),
        ("Up", brief(timedelta(seconds=vitals.uptime_s))),
        ("Pulls at work", str(vitals.in_flight)),
        ("syncd", program_version()),
        ("Schema", str(overview.schema_version or "unknown")),
        ("PostgreSQL", (overview.server_version or "unknown").split()[0]),
    ]


def _ago(age: timedelta) -> str:
    return f"{brief(max(timedelta(0), age))} ago"


def _shortened(text: str) -> str:
    return text if len(text) <= _LONGEST_TEXT else text[: _LONGEST_TEXT - 1] + "…"


@cache
def _template() -> Template:
    environment = Environment(
        loader=FileSystemLoader(_ROOM), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters["utc"] = _utc
    environment.filters["grouped"] = "{:,}".format
    return environment.get_template("status.html")


def _utc(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M:%S} UTC"

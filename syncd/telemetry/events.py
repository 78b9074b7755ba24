"""The catalogue: every event that syncd logs, when, and what whoever is on call does with it.

An event's name never holds a value, so that names can be counted and searched; values are fields. `check` tells
whether a line keeps to the catalogue, `json_schema` says the same in the language of other tools.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

from syncd.telemetry.fields import COMMON, CORRELATION, ERROR, FIELDS, HEARTBEAT, HTTP, PULL, Field

Level = Literal["debug", "info", "warning", "error", "fatal"]
_EVERYWHERE = frozenset(field.name for field in CORRELATION)
_PLACEHOLDER = re.compile(r"\{([a-z_.]+)\}")
_OPTIONAL = re.compile(r"\[([^\]]*)\]")


@dataclass(frozen=True, slots=True)
class Event:
    """One kind of line.

    text: its message, with {field} for values; what stands in [brackets] is left out where a value is missing.
    fields: the names it may have beyond those that every line has.
    """

    name: str
    level: Level
    text: str
    meaning: str
    on_call: str
    fields: frozenset[str]

    def message(self, values: Mapping[str, object]) -> str:
        """The text with its values."""

        def optional(part: re.Match[str]) -> str:
            return part[1] if all(values.get(name) is not None for name in _PLACEHOLDER.findall(part[1])) else ""

        return _PLACEHOLDER.sub(lambda match: str(values.get(match[1], "?")), _OPTIONAL.sub(optional, self.text))


class NotInCatalogue(ValueError):
    """A line that the catalogue does not know. A mistake in the program, never of its surroundings."""


_events: dict[str, Event] = {}


def _define(
    name: str, level: Level, text: str, meaning: str, on_call: str, fields: Iterable[Field | str] = ()
) -> Event:
    names = frozenset(FIELDS[field].name if isinstance(field, str) else field.name for field in fields)
    _events[name] = Event(name, level, text, meaning, on_call, names)
    return _events[name]


START = _define(
    "syncd.start",
    "info",
    "syncd starts[ with {syncd.token_count} token(s)][, settings from {syncd.config.source}]",
    "the configuration is read and valid",
    "deploy marker",
    ("syncd.config.source", "syncd.config.fingerprint", "syncd.token_count", "syncd.interval_seconds",
     "syncd.python_version"),
)  # fmt: skip
READY = _define(
    "syncd.ready",
    "info",
    "ready[: schema {syncd.schema_version}][ on PostgreSQL {syncd.server_version}]",
    "the database is up to date and pulls can begin",
    "deploy marker",
    ("syncd.schema_version", "syncd.server_version", "syncd.token_count", "server.address", "event.duration"),
)
CONFIG_RELOADED = _define(
    "syncd.config.reloaded",
    "info",
    "the configuration was read anew[; these need a restart: {syncd.config.restart}]",
    "after SIGHUP: the new settings are in force; warning if some of them wait for a restart",
    "deploy marker",
    ("syncd.config.source", "syncd.config.fingerprint", "syncd.config.restart", "syncd.token_count",
     "syncd.interval_seconds", "syncd.tokens_added", "syncd.tokens_removed", "syncd.tokens_rotated"),
)  # fmt: skip
CONFIG_INVALID = _define(
    "syncd.config.invalid",
    "error",
    "the new configuration is refused, the one before stays[: {error.message}]",
    "after SIGHUP: the configuration has mistakes, and nothing changed",
    "mend every mistake that the line names, and send SIGHUP again",
    ERROR,
)
PULL_FINISH = _define(
    "syncd.pull.finish",
    "info",
    "pull of {syncd.token.id}: {syncd.pull.result}[ ({syncd.pull.reason})]"
    "[, {syncd.rows} rows][, {syncd.written} written]",
    "the one line of every pull, also of one that failed; warning if partial, error if failed",
    "the line to query",
    ("event.outcome", "event.duration", *PULL, *ERROR, "http.response.status_code"),
)
HEARTBEAT_EVENT = _define(
    "syncd.heartbeat",
    "info",
    "alive[: {syncd.tokens.ok} ok, {syncd.tokens.rejected} rejected, {syncd.tokens.failed} failed]",
    "every minute, whatever else happens",
    "dead-man's switch: page when it stays away",
    HEARTBEAT,
)
HTTP_RETRY = _define(
    "syncd.http.retry",
    "debug",
    "request failed[ at try {syncd.attempt}][: {url.path}]",
    "a request failed and is sent again; warning on the last try",
    "none, while pulls succeed",
    ("syncd.attempt", "syncd.wait_ms", *HTTP, *ERROR),
)
HTTP_RATE_LIMITED = _define(
    "syncd.http.rate_limited",
    "warning",
    "Toggl asks to wait[ {syncd.retry_after_seconds} s]",
    "429: requests came too fast",
    "lower requests_per_second, or look for another program on the same token",
    ("syncd.retry_after_seconds", *HTTP),
)
QUOTA_EXHAUSTED = _define(
    "syncd.quota.exhausted",
    "warning",
    "the hourly quota of {syncd.token.id} is used up",
    "402, or what is left is kept for changes: no request until the quota begins anew",
    "lengthen the interval, or raise the plan",
    ("syncd.quota_remaining", "syncd.quota_resets_at", "syncd.retry_after_seconds", *HTTP),
)
PULL_POSTPONED = _define(
    "syncd.pull.postponed",
    "info",
    "pull of {syncd.token.id} waits for the hourly quota to begin anew",
    "what is left of it does not cover a pull, so none was begun",
    "lengthen the interval, or raise the plan, if it is often",
    ("syncd.next_run_at",),
)
INTERVAL_STRETCHED = _define(
    "syncd.interval.stretched",
    "warning",
    "{syncd.token.id}: another interval[: {syncd.interval_seconds} s][ ({syncd.interval_configured_seconds} s wanted)]",
    "the hourly quota allows no shorter interval; once for each change of it, info when it is as configured again",
    "lengthen the interval, or raise the plan",
    ("syncd.interval_seconds", "syncd.interval_configured_seconds"),
)
BREAKER_OPENED = _define(
    "syncd.breaker.opened",
    "error",
    "Toggl answers nobody: one request at a time until it does[ ({server.address})]",
    "requests of several tokens failed in a row: no connection, no answer in time, or 5xx",
    "look at the vendor's status page and at the way there; no need to restart",
    ("server.address", "syncd.attempts", "syncd.wait_ms"),
)
BREAKER_CLOSED = _define(
    "syncd.breaker.closed",
    "info",
    "Toggl answers again[ ({server.address})]",
    "a request was answered; tokens come back one after the other",
    "close the ticket",
    ("server.address", "syncd.attempts", "event.duration"),
)
TOKEN_REJECTED = _define(
    "syncd.token.rejected",
    "error",
    "Toggl rejects the token {syncd.token.id}",
    "401, or 403 where every valid token is welcome",
    "rotate the token",
    ("http.response.status_code", "syncd.failures", "syncd.next_try_at", *ERROR),
)
TOKEN_RECOVERED = _define(
    "syncd.token.recovered",
    "info",
    "Toggl accepts the token {syncd.token.id} again",
    "the first success after rejections",
    "close the ticket",
    ("syncd.failures",),
)
TOKEN_SCOPE_CHANGED = _define(
    "syncd.token.scope_changed",
    "warning",
    "the token {syncd.token.id} sees other workspaces than before",
    "workspaces appeared or went out of sight",
    "ask whether that was meant",
    ("syncd.workspaces_added", "syncd.workspaces_removed"),
)
SNAPSHOT_INCOMPLETE = _define(
    "syncd.snapshot.incomplete",
    "warning",
    "listing[ of {syncd.resource}s] is not complete[: {syncd.pull.reason}]",
    "what is absent from it proves nothing",
    "explains why rows are not marked as deleted",
    ("syncd.pull.reason", *HTTP),
)
RECORD_QUARANTINED = _define(
    "syncd.record.quarantined",
    "warning",
    "{syncd.resource}[ {syncd.record.id}] kept aside[: {syncd.record.reason}]",
    "a record that could not be stored; its neighbours were",
    "mend the record at the source",
    ("syncd.record.id", "syncd.record.field", "syncd.record.reason"),
)
RECORD_RELEASED = _define(
    "syncd.record.released",
    "info",
    "{syncd.resource}[ {syncd.record.id}] is good again",
    "a record left the quarantine",
    "none",
    ("syncd.record.id",),
)
DB_UNAVAILABLE = _define(
    "syncd.db.unavailable",
    "error",
    "the database cannot be reached",
    "the first failure of a series",
    "look at the database; the service keeps trying",
    ("db.system.name", "db.response.status_code", "server.address", "syncd.since", "syncd.attempts", *ERROR),
)
DB_RECOVERED = _define(
    "syncd.db.recovered",
    "info",
    "the database answers again",
    "the first success after a series of failures",
    "close the ticket",
    ("db.system.name", "server.address", "syncd.since", "syncd.attempts", "event.duration"),
)
DB_RETRY = _define(
    "syncd.db.retry",
    "warning",
    "{syncd.token.id}: a transaction had to be tried {syncd.attempts} more time(s)",
    "a deadlock, serialization failure or lost connection undid a transaction",
    "contention, if it repeats",
    ("syncd.attempts",),
)
MIGRATION_APPLIED = _define(
    "syncd.migration.applied",
    "info",
    "migration {syncd.migration.version} done",
    "a change of the schema is committed",
    "deploy marker",
    ("syncd.migration.version", "syncd.migration.name", "event.duration"),
)
LEADER_ACQUIRED = _define(
    "syncd.leader.acquired",
    "info",
    "this service does the work now",
    "of several services, this one took over",
    "failover marker",
    ("syncd.fencing_number", "event.duration"),
)
LEADER_LOST = _define(
    "syncd.leader.lost",
    "warning",
    "this service no longer does the work",
    "the lease ended or another service took over",
    "failover marker",
    ("syncd.fencing_number", "syncd.pull.reason"),
)
DELETE_PENDING = _define(
    "syncd.delete.pending",
    "info",
    "{syncd.token.id}: {syncd.count} {syncd.resource}(s) missing, to be confirmed",
    "rows were missing from complete snapshots, and further ones have to agree",
    "audit",
    ("syncd.count",),
)
DELETE_APPLIED = _define(
    "syncd.delete.applied",
    "info",
    "{syncd.token.id}: {syncd.count} {syncd.resource}(s) are gone",
    "rows became tombstones",
    "audit: the ids tell which",
    ("syncd.count", "syncd.ids"),
)
DELETE_BLOCKED = _define(
    "syncd.delete.blocked",
    "error",
    "{syncd.token.id}: {syncd.count} of {syncd.live} {syncd.resource}(s) would go; decide with: syncd deletes list",
    "the guard holds back more deletions than is usual; everything else is mirrored",
    "look at the source; syncd deletes approve HASH, or reject HASH",
    ("syncd.count", "syncd.live", "syncd.candidate_hash", "syncd.delete.reason"),
)
DELETE_RELEASED = _define(
    "syncd.delete.released",
    "info",
    "{syncd.token.id}: held-back deletions of {syncd.resource}s are settled",
    "the rows came back, or a person decided",
    "nothing to do",
    ("syncd.candidate_hash",),
)
RECORD_REAPPEARED = _define(
    "syncd.record.reappeared",
    "info",
    "{syncd.token.id}: {syncd.count} deleted {syncd.resource}(s) are back",
    "tombstones became live rows again",
    "a restore at the source, if there are many",
    ("syncd.count", "syncd.ids"),
)
RECORD_AT_REGRESSED = _define(
    "syncd.record.at_regressed",
    "warning",
    "{syncd.token.id}: {syncd.count} {syncd.resource}(s) went back in time",
    "several complete snapshots agreed on an older state, and it was accepted",
    "ask whether the source was restored",
    ("syncd.count", "syncd.ids"),
)
RECORD_AT_FUTURE = _define(
    "syncd.record.at_future",
    "warning",
    "{syncd.token.id}: {syncd.count} {syncd.resource}(s) changed in the future, they say",
    "a record's time of change is more than a day ahead",
    "look at the clocks",
    ("syncd.count", "syncd.ids"),
)
OWNER_CHANGED = _define(
    "syncd.record.owner_changed",
    "info",
    "{syncd.count} {syncd.resource}(s) are shown as {syncd.heir} sees them, no longer {syncd.token.id}",
    "a token no longer sees rows that another one still does",
    "explains rows that change though nobody edited them",
    ("syncd.count", "syncd.heir"),
)

HISTORY_EXPIRED = _define(
    "syncd.history.expired",
    "info",
    "{syncd.count} superseded version(s) forgotten",
    "versions that ended longer ago than [sync.history] retention were removed",
    "nothing to do",
    ("syncd.count",),
)

INVARIANT_VIOLATED = _define(
    "syncd.invariant.violated",
    "error",
    "broken rule: {syncd.invariant}",
    "something happened that cannot: a bug",
    "page; keep the line for the developers",
    ("syncd.invariant", "syncd.expected", "syncd.found", *ERROR),
)
UNHANDLED_EXCEPTION = _define(
    "syncd.unhandled.exception",
    "error",
    "nobody caught an error in {syncd.where}",
    "an exception reached the edge of the program: a bug",
    "keep the line for the developers",
    ("syncd.where", *ERROR),
)
STOP_BEGIN = _define(
    "syncd.stop.begin",
    "info",
    "stopping[ after {syncd.signal}]",
    "no new pull begins; the open ones end or are rolled back",
    "deploy marker",
    ("syncd.signal", "syncd.in_flight"),
)
STOP_FINISH = _define(
    "syncd.stop.finish",
    "info",
    "stopped[ with exit code {syncd.exit_code}]",
    "the last line of a process; fatal, with the reason, if it could not go on",
    "deploy marker; a start without it was a crash",
    ("syncd.exit_code", "syncd.in_flight", "event.duration", *ERROR),
)
LOG_FOREIGN = _define(
    "syncd.log.foreign",
    "info",
    "",
    "a line that a library wrote; message and level are the library's",
    "none by itself",
    ("log.logger", *ERROR),
)

CATALOGUE: Mapping[str, Event] = _events
# What lines hold whatever happens: they must read the same even if a password is part of one of them.
CONSTANTS = frozenset(["syncd", *CATALOGUE, *FIELDS, *(value for field in FIELDS.values() for value in field.values)])


def check(event: Event, values: Mapping[str, object]) -> None:
    """Raise NotInCatalogue unless *event* is in the catalogue and knows every field, with a value of its kind."""
    if CATALOGUE.get(event.name) is not event:
        raise NotInCatalogue(f"{event.name} is not an event of the catalogue")
    for name, value in values.items():
        if name not in event.fields and name not in _EVERYWHERE:
            raise NotInCatalogue(f"{event.name} has no field {name}")
        if not FIELDS[name].accepts(value):
            raise NotInCatalogue(f"{event.name}: {name} must be {FIELDS[name].kind}, not {type(value).__name__}")


def json_schema(event: Event) -> dict[str, object]:
    """The JSON Schema (draft 2020-12) of a line of *event*."""
    names = [field.name for field in (*COMMON, *CORRELATION)] + sorted(event.fields)
    properties = {name: FIELDS[name].schema() | {"description": FIELDS[name].meaning} for name in names}
    properties["event.action"] = properties["event.action"] | {"const": event.name}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": event.name,
        "description": event.meaning,
        "type": "object",
        "properties": properties,
        "required": [field.name for field in COMMON],
        "additionalProperties": False,
    }

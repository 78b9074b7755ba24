"""Every key that a log line may have, defined once: its type, and what it means, unit included.

Names are flat and dotted, common to the Elastic Common Schema and OpenTelemetry where those have one. No name is
both a value and the prefix of another, so that lines can also be read as nested objects. A key without a value is
left out of the line; no value is null.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from syncd.records import ALWAYS, RESOURCES, Resource

Kind = Literal["text", "integer", "number", "boolean", "instant", "texts", "integers"]

_RFC3339 = r"^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{3}Z$"
_SCHEMAS: dict[Kind, dict[str, object]] = {
    "text": {"type": "string"},
    "integer": {"type": "integer"},
    "number": {"type": "number"},
    "boolean": {"type": "boolean"},
    "instant": {"type": "string", "pattern": _RFC3339},
    "texts": {"type": "array", "items": {"type": "string"}},
    "integers": {"type": "array", "items": {"type": "integer"}},
}


@dataclass(frozen=True, slots=True)
class Field:
    """One key. values: the only ones it takes; empty = any of its kind."""

    name: str
    kind: Kind
    meaning: str
    values: tuple[str, ...] = ()

    def accepts(self, value: object) -> bool:
        """Whether *value*, as the program hands it over, is of this kind. None stands for "leave it out"."""
        if value is None:
            return True
        if self.values:
            return value in self.values
        if self.kind in ("texts", "integers"):
            inner = str if self.kind == "texts" else int
            return isinstance(value, list | tuple) and all(_is_a(inner, each) for each in value)
        if self.kind == "instant":
            return isinstance(value, datetime) and value.tzinfo is not None
        if self.kind == "number":
            return _is_a(int, value) or isinstance(value, float)
        return _is_a({"text": str, "integer": int, "boolean": bool}[self.kind], value)

    def schema(self) -> dict[str, object]:
        """The JSON Schema of its value in a line."""
        return _SCHEMAS[self.kind] | ({"enum": list(self.values)} if self.values else {})


def _is_a(kind: type, value: object) -> bool:
    # In Python True is an int; in a log line it is not.
    return isinstance(value, kind) and (kind is bool or not isinstance(value, bool))


LEVELS = ("debug", "info", "warning", "error", "fatal")

COMMON = (
    Field("@timestamp", "instant", "when the line was written, RFC 3339 in UTC"),
    Field("log.level", "text", "fatal: stops; error: needs a person; warning: expected to recover", LEVELS),
    Field("message", "text", "the event in words, for people"),
    Field("event.action", "text", "the name of the event: the key to search by"),
    Field("event.sequence", "integer", "counts the lines of this process, from 1: a gap is a lost line"),
    Field("service.name", "text", "always syncd"),
    Field("service.version", "text", "version of the program"),
    Field("service.instance.id", "text", "which of several services"),
    Field("ecs.version", "text", "version of the Elastic Common Schema that names follow"),
    Field("syncd.run.id", "text", "one process from start to end"),
)

# Which unit of work a line belongs to: allowed on every event.
CORRELATION = (
    Field("syncd.pull.id", "text", "one turn of one token"),
    Field("syncd.token.id", "text", "the token's name in the configuration, never its secret"),
    Field("toggl.workspace.id", "integer", "the workspace's id at Toggl"),
    Field("syncd.resource", "text", "the kind of record", (*RESOURCES, "workspace")),
)

ERROR = (
    Field("error.type", "text", "class of the exception"),
    Field("error.message", "text", "its text, redacted"),
    Field("error.stack_trace", "text", "where it came from, without local variables; only for what nobody expected"),
)

HTTP = (
    Field("url.path", "text", "path of the request; never the whole URL"),
    Field("server.address", "text", "host that was asked"),
    Field("http.response.status_code", "integer", "status of the answer; absent where no answer came"),
)

DATABASE = (Field("db.response.status_code", "text", "SQLSTATE; absent where the server was not reached"),)

_COUNTS = (
    ("fetched", "records in the answers"),
    ("inserted", "rows that are new"),
    ("updated", "rows that changed"),
    ("unchanged", "rows that were equal"),
    ("deleted", "rows marked as deleted"),
    ("reappeared", "deleted rows that came back"),
    ("quarantined", "records that could not be stored"),
    ("delete_candidates", "live rows that a complete listing lacked"),
    ("stubs", "parents known by id alone"),
    ("stale", "records older than what is stored, and so ignored"),
    ("yielded", "records that a better token sees too, and owns"),
)


def _named(resource: Resource) -> str:
    return f"{resource}s" if resource in ALWAYS else f"{resource}s, where they are mirrored"


PULL = (
    Field("syncd.pull.result", "text", "how the pull ended", ("unchanged", "changed", "partial", "failed")),
    Field("syncd.pull.reason", "text", "why it ended so, or why it did not begin; a word or a short sentence"),
    Field("syncd.pull.full", "boolean", "whether digests and cursors were ignored"),
    Field("syncd.requests", "integer", "requests sent, retries included"),
    Field("syncd.retries", "integer", "requests sent again"),
    Field("syncd.received_bytes", "integer", "bytes of all answers' bodies, as sent"),
    Field("syncd.wait_rate_limit_ms", "integer", "milliseconds spent waiting for our own pacing or for theirs"),
    Field("syncd.db_ms", "integer", "milliseconds spent in the database"),
    Field("syncd.staleness_seconds", "number", "seconds since the token's last success"),
    Field("syncd.next_run_at", "instant", "when the token is due again"),
    Field("syncd.workspaces", "integer", "workspaces seen"),
    Field("syncd.rows", "integer", "live rows that the token sees"),
    Field("syncd.standing_by", "integer", "workspaces that another token looks at for this one"),
    Field("syncd.written", "integer", "rows written, of all kinds"),
    *(
        Field(f"syncd.{resource}.{count}", "integer", f"{_named(resource)}: {meaning}")
        for resource in RESOURCES
        for count, meaning in _COUNTS
    ),
    *(
        Field(
            f"syncd.{resource}.complete", "boolean", f"whether every listing of {_named(resource)} was proven complete"
        )
        for resource in RESOURCES
    ),
)

HEARTBEAT = (
    Field("syncd.uptime_seconds", "number", "seconds since the start"),
    Field("syncd.tokens.ok", "integer", "tokens whose last pull succeeded"),
    Field("syncd.tokens.rejected", "integer", "tokens that Toggl refuses"),
    Field("syncd.tokens.parked", "integer", "tokens that wait for a rate limit or quota"),
    Field("syncd.tokens.failed", "integer", "tokens whose last pull failed otherwise"),
    Field("syncd.tokens.stale", "integer", "tokens that are stale beyond their bound"),
    Field("syncd.staleness_max_seconds", "number", "seconds since the last success of the worst token"),
    Field("syncd.worst_token", "text", "name of the token with the oldest success"),
    Field("syncd.pool_in_use", "integer", "database connections at work"),
    Field("syncd.tasks", "integer", "tasks of the event loop"),
    Field("syncd.rss_bytes", "integer", "memory of the process, resident bytes"),
    Field("syncd.loop_lag_ms", "number", "milliseconds that the event loop was late"),
)

SKIP_REASONS = ("running", "rate_limited", "rejected", "shutdown", "taken_over")

OTHER = (
    Field("event.outcome", "text", "whether it went well", ("success", "failure", "unknown")),
    Field("event.duration", "integer", "how long it took, in nanoseconds"),
    Field("log.logger", "text", "library that wrote the line"),
    Field("syncd.ailment", "text", "what stands still, and for how long"),
    Field("syncd.attempt", "integer", "number of this try, from 1"),
    Field("syncd.attempts", "integer", "tries so far"),
    Field(
        "syncd.blockers",
        "texts",
        "who holds the relations, at most three: process id of the server, role, seconds since it began, program",
    ),
    Field("syncd.bound_seconds", "number", "three intervals: so stale a token may become"),
    Field("syncd.candidate_hash", "text", "stands for exactly one set of rows; what approve and reject take"),
    Field("syncd.config.fingerprint", "text", "changes when a setting does; says nothing about secrets"),
    Field("syncd.config.restart", "text", "keys whose new values need a restart"),
    Field("syncd.config.source", "text", "file that the settings came from, or environment"),
    Field("syncd.count", "integer", "how many rows it is about"),
    Field("syncd.delete.reason", "text", "why the guard objects", ("shrunk", "emptied")),
    Field("syncd.exit_code", "integer", "what the process returns"),
    Field("syncd.expected", "text", "what should have been"),
    Field("syncd.found", "text", "what was"),
    Field("syncd.heir", "text", "name of the token that owns the rows from now on"),
    Field("syncd.ids", "integers", "ids of the rows, the first hundred"),
    Field("syncd.in_flight", "integer", "pulls that are running"),
    Field("syncd.interval_configured_seconds", "number", "seconds between two pulls of a token, as configured"),
    Field("syncd.interval_seconds", "number", "seconds between two pulls of a token, by default"),
    Field("syncd.invariant", "text", "name of the rule that was broken"),
    Field("syncd.live", "integer", "live rows of the scope"),
    Field("syncd.migration.name", "text", "name of the migration"),
    Field("syncd.migration.version", "integer", "number of the migration"),
    Field("syncd.next_try_at", "instant", "not tried again before"),
    Field("syncd.offset_seconds", "number", "our clock minus the other one; negative: ours is behind"),
    Field("syncd.python_version", "text", "version of Python"),
    Field("syncd.quota_resets_at", "instant", "when the hourly quota begins anew"),
    Field("syncd.record.id", "integer", "id of the record at Toggl; absent where it has none"),
    Field("syncd.record.reason", "text", "why it cannot be stored, as a code"),
    Field("syncd.retry_after_seconds", "number", "seconds until the next request is welcome"),
    Field("syncd.schema_version", "integer", "number of the newest migration in the database"),
    Field("syncd.server_version", "text", "version of PostgreSQL"),
    Field("syncd.signal", "text", "signal that asked for the stop"),
    Field("syncd.skip.reason", "text", "why a turn passed without a pull", SKIP_REASONS),
    Field("syncd.token_count", "integer", "tokens in the configuration"),
    Field("syncd.tokens_added", "texts", "names of tokens that are new in the configuration"),
    Field("syncd.tokens_removed", "texts", "names of tokens that are no longer in the configuration"),
    Field("syncd.tokens_rotated", "texts", "names of tokens that have another secret"),
    Field("syncd.wait_ms", "integer", "milliseconds until the next try"),
    Field("syncd.where", "text", "part of the program in which it surfaced"),
    Field("syncd.workspaces_added", "integers", "workspaces that the token sees since now"),
    Field("syncd.workspaces_removed", "integers", "workspaces that the token no longer sees"),
)

FIELDS: Mapping[str, Field] = {
    field.name: field
    for group in (COMMON, CORRELATION, ERROR, HTTP, DATABASE, PULL, HEARTBEAT, OTHER)
    for field in group
}

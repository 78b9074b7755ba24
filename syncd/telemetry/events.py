"""The catalogue: every event that syncd logs, when, and what whoever is on call does with it.

An event's name never holds a value, so that names can be counted and searched; values are fields. `check` tells
whether a line keeps to the catalogue; `syncd.telemetry.reference` says the same in the language of other tools.
"""

from collections.abc import Mapping

from syncd.telemetry import row_events  # noqa: F401 - its events are part of the catalogue
from syncd.telemetry.event import DEFINED, Event, NotInCatalogue, define
from syncd.telemetry.fields import CORRELATION, ERROR, FIELDS, HEARTBEAT, PULL

_EVERYWHERE = frozenset(field.name for field in CORRELATION)

START = define(
    "syncd.start",
    "info",
    "syncd starts[ with {syncd.token_count} token(s)][, settings from {syncd.config.source}]",
    "the configuration is read and valid",
    "deploy marker",
    ("syncd.config.source", "syncd.config.fingerprint", "syncd.token_count", "syncd.interval_seconds",
     "syncd.python_version"),
)  # fmt: skip
READY = define(
    "syncd.ready",
    "info",
    "ready[: schema {syncd.schema_version}][ on PostgreSQL {syncd.server_version}]",
    "the database is up to date and pulls can begin",
    "deploy marker",
    ("syncd.schema_version", "syncd.server_version", "syncd.token_count", "server.address"),
)
CONFIG_RELOADED = define(
    "syncd.config.reloaded",
    "info",
    "the configuration was read anew[; these need a restart: {syncd.config.restart}]",
    "after SIGHUP: the new settings are in force; warning if some of them wait for a restart",
    "deploy marker",
    ("syncd.config.source", "syncd.config.fingerprint", "syncd.config.restart", "syncd.token_count",
     "syncd.interval_seconds", "syncd.tokens_added", "syncd.tokens_removed", "syncd.tokens_rotated"),
)  # fmt: skip
CONFIG_INVALID = define(
    "syncd.config.invalid",
    "error",
    "the configuration is refused[: {error.message}]",
    "it has mistakes: after SIGHUP the one before stays in force; fatal at the start, which then fails",
    "mend every mistake that the line names, then send SIGHUP, or start, again",
    ERROR,
)
PULL_FINISH = define(
    "syncd.pull.finish",
    "info",
    "pull of {syncd.token.id}: {syncd.pull.result}[ ({syncd.pull.reason})]"
    "[, {syncd.rows} rows][, {syncd.written} written]",
    "the one line of every pull, also of one that failed; warning if partial, error if failed",
    "the line to query",
    ("event.outcome", "event.duration", *PULL, *ERROR, "http.response.status_code"),
)
PULL_STUCK = define(
    "syncd.pull.stuck",
    "error",
    "the pull of {syncd.token.id} did not end in time, and was given up",
    "a pull outlived its deadline; it is cancelled, its place is free, and it can write no more",
    "a bug, or a machine that stands still: keep the lines of this pull for the developers",
    ("event.duration",),
)
WEDGED = define(
    "syncd.service.wedged",
    "error",
    "the service does not get on[: {syncd.ailment}]",
    "ticks or turns stay away: /livez says 503 and the watchdog is no longer fed; warning if it is over already",
    "restart it, if the supervisor does not",
    ("syncd.ailment",),
)
PULL_SKIPPED = define(
    "syncd.pull.skipped",
    "warning",
    "{syncd.token.id} was not pulled[: {syncd.skip.reason}]",
    "its turn came, and it may not send a request, or its last pull is still at work; once per reason and spell",
    "running: the interval is shorter than a pull takes; rate_limited, rejected: see the line that says so; shutdown, "
    "taken_over: a pull at work was rolled back, for this process leaves, or another one has the token; nothing",
    ("syncd.skip.reason", "syncd.next_try_at"),
)
HEARTBEAT_EVENT = define(
    "syncd.heartbeat",
    "info",
    "alive[: {syncd.tokens.ok} ok, {syncd.tokens.rejected} rejected, {syncd.tokens.failed} failed]",
    "every minute, whatever else happens",
    "dead-man's switch: page when it stays away",
    HEARTBEAT,
)
HTTP_RETRY = define(
    "syncd.http.retry",
    "debug",
    "request failed[ at try {syncd.attempt}][: {url.path}]",
    "a request failed and is sent again; warning on the last try",
    "none, while pulls succeed",
    ("syncd.attempt", "syncd.wait_ms", "url.path", "http.response.status_code", *ERROR),
)
HTTP_RATE_LIMITED = define(
    "syncd.http.rate_limited",
    "warning",
    "Toggl asks to wait[ {syncd.retry_after_seconds} s]",
    "429: requests came too fast",
    "lower requests_per_second, or look for another program on the same token",
    ("syncd.retry_after_seconds",),
)
QUOTA_EXHAUSTED = define(
    "syncd.quota.exhausted",
    "warning",
    "the hourly quota of {syncd.token.id} is used up",
    "402, or what is left is kept for changes: no request until the quota begins anew",
    "lengthen the interval, or raise the plan",
    ("syncd.quota_resets_at",),
)
PULL_POSTPONED = define(
    "syncd.pull.postponed",
    "info",
    "pull of {syncd.token.id} waits for the hourly quota to begin anew",
    "what is left of it does not cover a pull, so none was begun",
    "lengthen the interval, or raise the plan, if it is often",
    ("syncd.next_run_at",),
)
INTERVAL_STRETCHED = define(
    "syncd.interval.stretched",
    "warning",
    "{syncd.token.id}: another interval[: {syncd.interval_seconds} s][ ({syncd.interval_configured_seconds} s wanted)]",
    "the hourly quota allows no shorter interval; once for each change of it, info when it is as configured again",
    "lengthen the interval, or raise the plan",
    ("syncd.interval_seconds", "syncd.interval_configured_seconds"),
)
FRESHNESS_BREACHED = define(
    "syncd.freshness.breached",
    "error",
    "{syncd.token.id} is stale[: no success for {syncd.staleness_seconds} s][, {syncd.bound_seconds} s are promised]",
    "the token's last success, or its first turn, is longer ago than three intervals; once, until it is restored",
    "look at the token's last pulls: they say why",
    ("syncd.staleness_seconds", "syncd.bound_seconds"),
)
FRESHNESS_RESTORED = define(
    "syncd.freshness.restored",
    "info",
    "{syncd.token.id} is fresh again",
    "a pull of a stale token succeeded, or the token is no longer configured",
    "close the ticket",
    ("syncd.staleness_seconds", "syncd.bound_seconds"),
)
CLOCK_SKEW = define(
    "syncd.clock.skew",
    "warning",
    "our clock and Toggl's differ[: ours is {syncd.offset_seconds} s ahead][ ({server.address})]",
    "an answer's Date differs from our clock by more than a minute; at most once an hour",
    "look at NTP on this machine: instants in the log are wrong, and Retry-After dates are misread",
    ("syncd.offset_seconds", "server.address"),
)
BREAKER_OPENED = define(
    "syncd.breaker.opened",
    "error",
    "Toggl answers nobody: one request at a time until it does[ ({server.address})]",
    "requests of several tokens failed in a row: no connection, no answer in time, or 5xx",
    "look at the vendor's status page and at the way there; no need to restart",
    ("server.address", "syncd.attempts", "syncd.wait_ms"),
)
BREAKER_CLOSED = define(
    "syncd.breaker.closed",
    "info",
    "Toggl answers again[ ({server.address})]",
    "a request was answered; tokens come back one after the other",
    "close the ticket",
    ("server.address", "syncd.attempts", "event.duration"),
)
TOKEN_REJECTED = define(
    "syncd.token.rejected",
    "error",
    "Toggl rejects the token {syncd.token.id}",
    "401, or 403 where every valid token is welcome",
    "rotate the token",
    ("http.response.status_code", "syncd.next_try_at"),
)
TOKEN_RECOVERED = define(
    "syncd.token.recovered",
    "info",
    "Toggl accepts the token {syncd.token.id} again",
    "the first success after rejections",
    "close the ticket",
)
TOKEN_SCOPE_CHANGED = define(
    "syncd.token.scope_changed",
    "warning",
    "the token {syncd.token.id} sees other workspaces than before",
    "workspaces appeared or went out of sight",
    "ask whether that was meant",
    ("syncd.workspaces_added", "syncd.workspaces_removed"),
)
CONTRACT_CHANGED = define(
    "syncd.api.contract_changed",
    "error",
    "{syncd.token.id}: Toggl's answer cannot be read[: {error.message}]",
    "a status, type or shape that this API version does not give; the rows stay as they are",
    "look for an announcement of the vendor, a proxy in between, and a newer syncd",
    ("http.response.status_code", *ERROR),
)
DB_UNAVAILABLE = define(
    "syncd.db.unavailable",
    "error",
    "the database cannot be reached",
    "the first failure of a series",
    "look at the database; the service keeps trying",
    ("db.response.status_code", "syncd.attempts", *ERROR),
)
DB_RECOVERED = define(
    "syncd.db.recovered",
    "info",
    "the database answers again",
    "the first success after a series of failures",
    "close the ticket",
    ("syncd.attempts", "event.duration"),
)
DB_RESTARTED = define(
    "syncd.db.restarted",
    "warning",
    "the embedded PostgreSQL had ended, and was started again",
    "the database server of our own died under us; nothing that was committed is lost",
    "look into postgres.log of the data directory, and at the machine's memory",
)
DB_RETRY = define(
    "syncd.db.retry",
    "warning",
    "{syncd.token.id}: a transaction had to be tried {syncd.attempts} more time(s)",
    "a deadlock, serialization failure or lost connection undid a transaction",
    "contention, if it repeats",
    ("syncd.attempts",),
)
MIGRATION_START = define(
    "syncd.migration.start",
    "info",
    "migration {syncd.migration.version} begins",
    "the schema is behind, and this process brings it up to date",
    "deploy marker",
    ("syncd.migration.version", "syncd.migration.name"),
)
MIGRATION_LOCK_TIMEOUT = define(
    "syncd.migration.lock_timeout",
    "warning",
    "migration {syncd.migration.version} waits for a relation[, held by {syncd.blockers}]",
    "a long transaction holds a relation that the migration changes; it is tried again for a minute",
    "end the long query, if it is not wanted: the line names its process",
    ("syncd.migration.version", "syncd.migration.name", "syncd.blockers"),
)
MIGRATION_APPLIED = define(
    "syncd.migration.applied",
    "info",
    "migration {syncd.migration.version} done",
    "a change of the schema is committed",
    "deploy marker",
    ("syncd.migration.version", "syncd.migration.name"),
)
MIGRATION_FAILED = define(
    "syncd.migration.failed",
    "fatal",
    "the schema could not be brought up to date[: {error.message}]",
    "nothing of the migration at work was kept; those before it stay",
    "page: the service does not start",
    ("syncd.migration.version", "syncd.migration.name", *ERROR),
)
LEADER_ACQUIRED = define(
    "syncd.leader.acquired",
    "info",
    "this service does the work now",
    "of several services, this one took over",
    "failover marker",
)
LEADER_LOST = define(
    "syncd.leader.lost",
    "warning",
    "this service no longer does the work",
    "the lease ended or another service took over",
    "failover marker",
)
INVARIANT_VIOLATED = define(
    "syncd.invariant.violated",
    "error",
    "broken rule: {syncd.invariant}",
    "something happened that cannot: a bug",
    "page; keep the line for the developers",
    ("syncd.invariant", "syncd.expected", "syncd.found"),
)
UNHANDLED_EXCEPTION = define(
    "syncd.unhandled.exception",
    "error",
    "nobody caught an error in {syncd.where}",
    "an exception reached the edge of the program: a bug",
    "keep the line for the developers",
    ("syncd.where", *ERROR),
)
STOP_BEGIN = define(
    "syncd.stop.begin",
    "info",
    "stopping[ after {syncd.signal}]",
    "no new pull begins; the open ones end or are rolled back",
    "deploy marker",
    ("syncd.signal", "syncd.in_flight"),
)
STOP_FINISH = define(
    "syncd.stop.finish",
    "info",
    "stopped[ with exit code {syncd.exit_code}]",
    "the last line of a process; fatal, with the reason, if it could not go on",
    "deploy marker; a start without it was a crash",
    ("syncd.exit_code", "syncd.in_flight", "event.duration", *ERROR),
)
LOG_FOREIGN = define(
    "syncd.log.foreign",
    "info",
    "",
    "a line that a library wrote; message and level are the library's",
    "none by itself",
    ("log.logger", *ERROR),
)

CATALOGUE: Mapping[str, Event] = DEFINED
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

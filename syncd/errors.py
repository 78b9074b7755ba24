"""One tree of errors, sorted by what to do next and by whose fault it is.

Every text here may reach a terminal or a log: one sentence that says what, where and what to do. None carries a
token, a password, a response body or a row.

    SyncdError
    ├── ConfigError           the operator's: mend the configuration             exit 2
    ├── DatabaseError         the database's or the operator's                   exit 3
    │   ├── DatabaseUnavailable     wait, it may come back
    │   └── DatabaseUnusable        a person must act: wrong version, rights, edited migration
    ├── TogglError            theirs: this pull ends, the next may be well       exit 1
    │   ├── TokenRejected           rotate the token
    │   ├── RateLimited             not before `retry_after_s`
    │   ├── QuotaExhausted          not before `retry_after_s`
    │   ├── TogglUnavailable        transport or 5xx, after all retries
    │   ├── OutcomeUnknown          a write went out and no answer came: look before it is tried again
    │   ├── Refused                 4xx about this one request: no right, no such row, a value it does not take
    │   └── ContractChanged         an answer that this dialect cannot read
    ├── FencedOut             a later pull of the same token took over; nothing was written
    ├── InvariantViolated     ours: a self-check failed and the transaction was rolled back
    └── Unforeseen            ours: a bug, with the exception as its cause
"""

import os
from collections.abc import Sequence


class SyncdError(Exception):
    """Base of all that syncd raises on purpose. `exit_code` is what a command that dies of it returns."""

    exit_code = 1


class ConfigError(SyncdError):
    """The configuration cannot be used. `problems` lists every mistake found, one sentence each."""

    exit_code = 2

    def __init__(self, problems: Sequence[str]) -> None:
        super().__init__("; ".join(problems))
        self.problems = tuple(problems)


class DatabaseError(SyncdError):
    """PostgreSQL cannot serve."""

    exit_code = 3


class DatabaseUnavailable(DatabaseError):
    """No connection, or it broke: worth trying again later. `sqlstate` where the server said one."""

    def __init__(self, message: str, *, sqlstate: str | None = None) -> None:
        super().__init__(message)
        self.sqlstate = sqlstate


class DatabaseUnusable(DatabaseError):
    """Connected, or could be, but only a person can mend it: password, rights, version, edited migration."""


class TogglError(SyncdError):
    """The source did not give a usable answer. `http_status` is None where no answer came."""

    def __init__(self, message: str, *, http_status: int | None = None) -> None:
        super().__init__(message)
        self.http_status = http_status


class TokenRejected(TogglError):
    """401, or 403 on a call that every valid token may make: the token is wrong or revoked."""


class RateLimited(TogglError):
    """429 that outlasted the retries. `retry_after_s`: seconds until the next request is welcome."""

    def __init__(self, message: str, *, retry_after_s: float, http_status: int | None = 429) -> None:
        super().__init__(message, http_status=http_status)
        self.retry_after_s = retry_after_s


class QuotaExhausted(RateLimited):
    """402 of the hourly quota. `retry_after_s`: seconds until it resets."""


class TogglUnavailable(TogglError):
    """Transport failure, time-out or 5xx, after all retries.

    `passing` False: trying again at once cannot help. `is_sent` False: the request never left, for there was no
    connection.
    """

    def __init__(
        self, message: str, *, http_status: int | None = None, passing: bool = True, is_sent: bool = True
    ) -> None:
        super().__init__(message, http_status=http_status)
        self.passing = passing
        self.is_sent = is_sent


class OutcomeUnknown(TogglError):
    """A write was sent, and what came back does not tell whether it was carried out. Never to be repeated blindly."""


class Refused(TogglError):
    """The source understood and said no: 4xx, with what it said. Nothing was changed."""


class ContractChanged(TogglError):
    """An answer this dialect cannot read: unexpected status, HTML, broken JSON, another shape."""


class FencedOut(SyncdError):
    """Another pull of the same token began later. It owns the truth now; this one wrote nothing more."""


class InvariantViolated(SyncdError):
    """The database did not do what the plan said; everything of this transaction was rolled back.

    `name` of the rule; `expected` and `found` as counts.
    """

    def __init__(self, name: str, expected: int, found: int) -> None:
        super().__init__(f"{name}: expected {expected}, found {found}; rolled back")
        self.name = name
        self.expected = expected
        self.found = found


class Unforeseen(SyncdError):
    """An exception that nothing in the design explains; it is `__cause__`. One token's pull ends, the others go on."""


def reason_of(error: OSError) -> str:
    """What the system says of *error*, without what libraries put around it: "address already in use"."""
    known = error.errno is not None and error.errno > 0  # of failed look-ups it is negative, with a text of its own
    return (os.strerror(error.errno or 0) if known else error.strerror or type(error).__name__).lower()

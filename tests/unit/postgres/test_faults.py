"""What driver errors mean to whoever has to act."""

import asyncpg
import pytest

from syncd.errors import DatabaseUnavailable, DatabaseUnusable
from syncd.postgres.faults import place, translate, translated


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (asyncpg.InvalidPasswordError("x"), DatabaseUnusable),
        (asyncpg.InvalidCatalogNameError("x"), DatabaseUnusable),
        (asyncpg.InsufficientPrivilegeError("x"), DatabaseUnusable),
        (asyncpg.UndefinedTableError("x"), DatabaseUnusable),
        (asyncpg.InvalidSQLStatementNameError("x"), DatabaseUnusable),  # a pooler between two statements
        (asyncpg.CannotConnectNowError("x"), DatabaseUnavailable),
        (asyncpg.AdminShutdownError("x"), DatabaseUnavailable),
        (asyncpg.TooManyConnectionsError("x"), DatabaseUnavailable),
        (asyncpg.DeadlockDetectedError("x"), DatabaseUnavailable),
        (asyncpg.ReadOnlySQLTransactionError("x"), DatabaseUnavailable),
        (asyncpg.ConnectionDoesNotExistError("x"), DatabaseUnavailable),
        (asyncpg.InterfaceError("cannot call Transaction.__aexit__()"), DatabaseUnavailable),
        (ConnectionRefusedError(111, "Connection refused"), DatabaseUnavailable),
        (TimeoutError(), DatabaseUnavailable),
        (asyncpg.CheckViolationError("DETAIL: a row"), None),
        (ValueError("x"), None),
    ],
)
def test_meaning(error: Exception, kind: type[Exception] | None) -> None:
    """Wait, act, or not the database's doing."""
    meaning = translate(error, "db:5432/bi")
    assert type(meaning) is (kind or type(None))
    if meaning is not None:
        assert "db:5432/bi" in str(meaning)


def test_the_place_has_no_password() -> None:
    """It stands in messages."""
    assert place("postgresql://syncd:hush@db.internal:5433/bi") == "db.internal:5433/bi"
    assert place("postgresql:///bi") == "local socket/bi"


def test_what_is_not_the_database_s_doing_passes() -> None:
    """A bug stays a bug."""
    with pytest.raises(ZeroDivisionError), translated("x"):
        raise ZeroDivisionError

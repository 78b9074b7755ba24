"""`syncd migrate --roles`, and a service that has no more rights than it needs."""

from urllib.parse import urlsplit, urlunsplit

from tests.integration.cli.stage import CANARY_PASSWORD, Mirror
from tests.processes import Syncd


def as_writer(url: str) -> str:
    """The same database, as the service should see it."""
    parts = urlsplit(url)
    password = parts.netloc.split("@")[0].split(":")[1]  # already quoted
    return urlunsplit(parts._replace(netloc=f"syncd_writer:{password}@{parts.hostname}:{parts.port}"))


async def test_the_service_needs_no_more_than_the_writer(mirror: Mirror, configured: Syncd, database_url: str) -> None:
    """Everything that it does between two upgrades."""
    configured.configure(database={"url": database_url})
    outcome = await configured("migrate", "--roles")
    assert (outcome.exit_code, "have their rights" in outcome.stdout) == (0, True)
    await mirror.do(f"ALTER ROLE syncd_writer PASSWORD '{CANARY_PASSWORD}'")
    configured.configure(database={"url": as_writer(mirror.url)})
    for command in (("once",), ("once", "--full"), ("status",), ("verify",), ("resync",), ("migrate",)):
        outcome = await configured(*command)
        assert outcome.exit_code == 0, (command, outcome.stderr)


async def test_who_may_not_make_roles_is_told_how(configured: Syncd) -> None:
    """The SQL is for an administrator to run."""
    outcome = await configured("migrate", "--roles")
    assert outcome.exit_code == 1
    assert "syncd: this user may not make roles; let an administrator run the SQL above" in outcome.messages
    assert "CREATE ROLE" in outcome.stdout

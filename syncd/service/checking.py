"""Is all well? Configuration, database, schema and tokens, each looked at without changing anything."""

from collections.abc import Mapping
from dataclasses import dataclass

from syncd.clock import Clock
from syncd.config import Settings
from syncd.errors import DatabaseError, TogglError
from syncd.postgres.migrate import pending
from syncd.service.database import database_url, open_database
from syncd.service.reporting import Reporter, explain
from syncd.service.runtime import DIALECTS, open_toggl
from syncd.sync.planner import OWN, Appetite, plan_of, schedule
from syncd.toggl.client import Toggl
from syncd.toggl.dialect import Cost, ListingPlan
from syncd.toggl.quota import FREE
from syncd.toggl.session import open_session
from syncd.tokens import Token


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at. `exit_code`: what a command should return for it, 0 = well."""

    subject: str
    text: str
    exit_code: int = 0


async def check_all(settings: Settings, reporter: Reporter, clock: Clock, *, offline: bool) -> list[Finding]:
    """Every finding, in the order in which things depend on one another. `offline`: ask nothing of Toggl."""
    findings = [Finding("configuration", f"{settings.source}: {len(settings.tokens)} token(s)")]
    findings.append(await _check_database(settings, reporter))
    if not offline:
        async with open_session() as session:
            toggl = open_toggl(settings, session, reporter, clock)
            findings += [await _check_token(settings, toggl, reporter, token) for token in settings.tokens]
    return findings


async def _check_database(settings: Settings, reporter: Reporter) -> Finding:
    try:
        async with (
            database_url(settings, exclusive=False) as url,
            open_database(settings, url, reporter.log, patient=False, schema=False) as database,
            database.connection() as connection,
        ):
            behind = await pending(connection)
    except DatabaseError as error:
        return Finding("database", str(error), error.exit_code)
    if not behind:
        return Finding("database", f"{database.where}: the schema is up to date")
    if settings.database.migrate:
        return Finding("database", f"{database.where}: {len(behind)} migration(s) to come, applied by `run` and `once`")
    return Finding("database", f"{database.where}: {len(behind)} migration(s) missing: run `syncd migrate`", 1)


async def _check_token(settings: Settings, toggl: Toggl, reporter: Reporter, token: Token) -> Finding:
    subject = f"token {token.name}"
    conversation = toggl.conversation(
        token.name, token.secret.get_secret_value(), lambda retry: reporter.retry(token.name, retry)
    )
    dialect = DIALECTS[settings.toggl.api]
    plan = ListingPlan(settings.toggl.projects, frozenset(token.workspaces), resources=settings.sync.resources)
    try:
        cost = await conversation.converse(dialect.price(plan))
        quota_remaining = conversation.traffic.quota_remaining
        totals: Mapping[int, int] = {}
        if quota_remaining is not None and dialect.allowance is not None:
            totals = await conversation.converse(dialect.allowance())
    except TogglError as error:
        return Finding(subject, explain(error), error.exit_code)
    text = describe_cost(cost, settings.toggl.requests_per_second, quota_remaining)
    if quota_remaining is not None:
        full_every_s = settings.sync.full_every.total_seconds()
        text += f"; {describe_quota(cost, totals, token.interval.total_seconds(), full_every_s)}"
    return Finding(subject, text)


def describe_quota(cost: Cost, totals: Mapping[int, int], interval_s: float, full_every_s: float) -> str:
    """How often the plan lets a token be pulled that is to be pulled every `interval_s`, in full every `full_every_s`.

    `totals`: bucket -> requests an hour. Where they are not told the free plan is assumed; what it really is shows with
    the first pulls. Buckets that differ are named by the smallest, for that one decides.
    """
    spent = {**cost.by_organization, OWN: cost.requests - sum(cost.by_organization.values())}
    allowed = {bucket: totals.get(bucket, FREE) for bucket in spent}
    own = Appetite(interval_s, spent)
    found = schedule(own, [own], allowed, full_every_s)
    smallest = min(total for bucket, total in allowed.items() if bucket != OWN or len(allowed) == 1)
    plan = f"the {plan_of(smallest)} plan ({smallest} an hour)"
    if found.is_hopeless:
        return f"more than {plan} allows"
    return f"on {plan} every {found.interval_s:.0f} s, configured {interval_s:.0f} s"


def describe_cost(cost: Cost, requests_per_second: float, quota_remaining: int | None) -> str:
    """What a pull needs, what is left, and how often it could be done."""
    pace = f"shortest interval {cost.requests / requests_per_second:.0f} s" if requests_per_second else "not paced"
    quota = "no quota told" if quota_remaining is None else f"{quota_remaining} requests left this hour"
    at_least = "at least " if cost.is_lower_bound else ""
    return f"{cost.workspaces} workspace(s); a pull needs {at_least}{cost.requests} requests; {pace}; {quota}"

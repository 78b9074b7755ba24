"""Worlds to serve: a made-up one of any size, and the one that the API's own documentation shows.

Equal arguments give equal worlds, ids, tokens and times included; `now` is only asked by later writes. All names are
made up.
"""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from hashlib import blake2b

from syncd.emulator.dice import Dice, pick
from syncd.emulator.model import World
from syncd.emulator.rows import BEGINNING, Client, Workspace

DOCUMENTED_TOKEN = "1971800d4d82861d8f2c1651fea4d212"  # noqa: S105 (printed in the API's documentation)

# Some names are not ASCII, hold quotes or are written from right to left: real ones are and do.
_FIRST = (
    "Amber", "Blue", "Café", "Delta", "Ebb & Flow", "Fjord", "Granite", "Håndverk", "Iris", "Jörð", "Kilo", "Lumen",
    "Meridian", "Nordic", "O'Neill", "Pixel", "Quartz", "Río", "\"Seven\"", "Tidal", "Überall", "Vector", "Willow",
    "新星", "Yarrow", "Żuraw", "שלום", "Copper", "Drift", "Ember",
)  # fmt: skip
_SECOND = (
    "Works", "Studio", "Logistics", "Foods", "Partners", "Labs", "Energy", "Books", "Travel", "Media", "Software",
    "Clinic", "Garden", "Motors", "Bank", "Optics", "Theatre", "Union", "Textiles", "Robotics",
)  # fmt: skip
_PROJECTS = (
    "Website", "Support", "Audit 2024", "Migration", "Mobile app", "Brand book", "Hiring", "Newsletter", "Data room",
    "Maintenance", "Prototype", "Onboarding", "Tax return", "Fair stand", "Übersetzung", "Retainer", "Q3 / Q4 plan",
)  # fmt: skip
_TAGS = ("billed", "urgent", "on site", "remote", "rework", "überfällig", "to be invoiced", "R&D")
_NOTES = (
    "Contact: reception",
    "Invoices by post",
    "Prefers calls before noon\nsecond line",
    "Since 2019",
    "🚲 on site",
)
_CURRENCIES = ("EUR", "USD", "GBP", "JPY", "AUD")


def generate(  # noqa: PLR0913 - a world has that many sizes
    *,
    seed: int,
    tokens: int,
    workspaces: int,
    clients: int,
    projects: int,
    now: Callable[[], datetime],
    loose_projects: int = 0,
    tags: int = 0,
) -> World:
    """A made-up world.

    Args:
        seed: equal seeds give equal worlds.
        tokens: users, named t0, t1 …, each the admin of workspaces of its own.
        workspaces: per token. Every other one is premium, the first included: there clients may have rates.
        clients: per workspace. About a third have notes.
        projects: per client. About a seventh are archived, half are private, a fifth have a last day.
        now: the present (aware), for the `at` of later writes.
        loose_projects: per workspace, without client, on top.
        tags: per workspace.
    """
    world = World(now)
    dice = Dice(seed)
    for number in range(tokens):
        user = world.add_user(f"t{number}", token(seed, number))
        for _ in range(workspaces):
            count = len(world.workspaces)
            premium = count % 2 == 0
            workspace = world.create_workspace(
                f"{_nth_name(count)} workspace",
                at=_instant(dice),
                premium=premium,
                default_hourly_rate=50.0 if premium else None,
                default_currency=pick(dice, _CURRENCIES),
            )
            world.share(user.name, workspace.id, admin=True)
            for nth in range(clients):
                client = _add_client(world, dice, workspace, nth, user.id)
                _add_projects(world, dice, workspace, client, projects)
            _add_projects(world, dice, workspace, None, loose_projects)
            for nth in range(tags):
                at = workspace.at + timedelta(days=nth, microseconds=nth * 77_101 % 1_000_000)
                world.create_tag(workspace.id, _nth(_TAGS, nth), at=at, creator_id=user.id)
    return world


def token(seed: int, number: int) -> str:
    """The token of the user with that number: 32 lower-case hex digits."""
    return blake2b(f"{seed}:{number}".encode(), digest_size=16).hexdigest()


def documented(now: Callable[[], datetime] | None = None) -> World:
    """Exactly the rows of the Clients API page of v8, of one user "t0" whose token that page shows.

    Two slips of the page are mended: its projects name client 987, though the projects of client 1239455 were
    asked for; and it shows client 1239455 in several states, of which this is the latest. The name of workspace 777
    is from the workspace page of v8; that it is premium follows from a billable project. Without `now`, the
    present is the day of the documentation's last row.
    """
    world = World(now or (lambda: datetime(2013, 3, 26, 8, 55, 28, tzinfo=UTC)))
    world.add_user("t0", DOCUMENTED_TOKEN)
    at = datetime(2013, 2, 26, 8, 55, 28, tzinfo=UTC)
    world.create_workspace("My Company Inc", workspace_id=777, at=at, premium=True)
    world.share("t0", 777, admin=True)
    world.create_client(777, "Very Big Company", "something about the client", client_id=1239455, at=at)
    small_at = datetime(2013, 3, 26, 8, 55, 28, tzinfo=UTC)
    world.create_client(777, "Small Startup", "Really cool people", client_id=1239456, at=small_at)
    world.create_project(
        777,
        "Very lucrative project",
        1239455,
        project_id=909,
        at=datetime(2013, 3, 6, 9, 15, 18, tzinfo=UTC),
        created_at=None,
    )
    world.create_project(
        777,
        "Factory server infrastructure",
        1239455,
        project_id=32143,
        at=datetime(2013, 3, 6, 9, 16, 6, tzinfo=UTC),
        created_at=None,
        billable=True,
    )
    return world


def _add_client(world: World, dice: Dice, workspace: Workspace, nth: int, creator_id: int) -> Client:
    return world.create_client(
        workspace.id,
        _nth_name(nth),
        pick(dice, _NOTES) if dice.randrange(3) == 0 else None,
        *((25.0 + dice.randrange(300) / 2, pick(dice, _CURRENCIES)) if dice.randrange(2) else (None, None)),
        at=_instant(dice),
        creator_id=creator_id,
    )


def _add_projects(world: World, dice: Dice, workspace: Workspace, client: Client | None, count: int) -> None:
    for nth in range(count):
        chance = dice.randrange(7 * 2 * 3 * 14)  # one throw, read as four
        at = _instant(dice)
        world.create_project(
            workspace.id,
            _nth(_PROJECTS, nth),
            client.id if client else None,
            at=at,
            active=chance % 7 != 0,
            is_private=chance // 7 % 2 == 0,
            billable=workspace.premium and chance // 14 % 3 == 0,
            template=False,
            auto_estimates=False,
            color=str(chance // 42),
            rate=60.0 + chance if workspace.premium and chance // 14 % 3 == 0 else None,
            currency=workspace.default_currency if workspace.premium and chance // 14 % 3 == 0 else None,
            actual_seconds=chance * 977 or None,
            end_date=at.date() + timedelta(days=chance) if chance % 5 == 0 else None,
            created_at=at,
        )


def _nth_name(nth: int) -> str:
    """A company name; no two numbers share one."""
    return f"{_nth(_FIRST, nth % 30)} {_nth(_SECOND, nth // 30)}"


def _nth(words: tuple[str, ...], nth: int) -> str:
    """The words in turn, from the second round on with the number of the round."""
    word, lap = words[nth % len(words)], nth // len(words)
    return f"{word} {lap + 1}" if lap else word


def _instant(dice: Dice) -> datetime:
    """A second of the year after BEGINNING: no `at` of a generated world lies elsewhere."""
    return BEGINNING + timedelta(seconds=dice.randrange(365 * 86_400))

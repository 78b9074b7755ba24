"""What the rows of an emulated world stand on: time, ids, people and workspaces. Pure."""

from collections.abc import Callable, Container
from datetime import UTC, datetime
from typing import Any, TypeVar

import msgspec

from syncd.emulator.rows import Missing, Refused, User, Workspace

K = TypeVar("K")
V = TypeVar("V")

EVER = datetime.min.replace(tzinfo=UTC)


class Shelf(msgspec.Struct):
    """Where the rows of one workspace are found. `revision` moves with every write to the workspace."""

    client_ids: dict[str, int] = {}
    project_ids: dict[int | None, list[int]] = {}
    tag_ids: dict[str, int] = {}
    revision: int = 0


class Ground:
    """A world without rows. `now` returns the present instant (aware); it is asked once per write."""

    def __init__(self, now: Callable[[], datetime]) -> None:
        self._now = now
        self._last = EVER
        self._ids = {
            "workspace": 2_230_000,
            "client": 64_000_000,
            "project": 163_000_000,
            "tag": 14_000_000,
            "user": 2_160_000,
            "organization": 2_100_000,
        }
        self._shelves: dict[int, Shelf] = {}
        self.workspaces: dict[int, Workspace] = {}
        self.users: dict[str, User] = {}

    def now(self) -> datetime:
        """The present instant, in UTC and with its fraction."""
        return self._now().astimezone(UTC)

    # People -------------------------------------------------------------------------------------------------

    @property
    def tokens(self) -> dict[str, str]:
        """Name -> token of every user whose token is still good."""
        return {user.name: user.token for user in self.users.values() if not user.is_revoked}

    def add_user(self, name: str, token: str, *, user_id: int | None = None) -> User:
        """A new user who sees nothing yet; with the `user_id` of another one it is a further token of that person,
        who sees the same. Raises Refused if the name or the token is taken."""
        if name in self.users or any(user.token == token for user in self.users.values()):
            raise Refused([f"User {name} or its token has already been taken"])
        twin = next((user for user in self.users.values() if user.id == user_id), None)
        new_id = twin.id if twin else self._new_id("user", (), user_id)
        user = User(name, token, dict(twin.access) if twin else {}, id=new_id, joined=dict(twin.joined) if twin else {})
        self.users[name] = user
        return user

    def user(self, name: str) -> User:
        """Raises Missing."""
        return found(self.users, "user", name)

    def user_of_token(self, token: str) -> User | None:
        """Who holds this token; None for an unknown or revoked one."""
        return next((u for u in self.users.values() if u.token == token and not u.is_revoked), None)

    def share(self, name: str, workspace_id: int, *, admin: bool = False) -> None:
        """Make a user a member of a workspace, or change the right it has there."""
        self.workspace(workspace_id)
        for user in self._tokens_of(name):
            user.access[workspace_id] = admin
            user.joined[workspace_id] = self.now().replace(microsecond=0)
            user.revision += 1

    def unshare(self, name: str, workspace_id: int) -> None:
        """Take a user out of a workspace: its rows leave that user's answers, though none was deleted."""
        for user in self._tokens_of(name):
            if user.access.pop(workspace_id, None) is None:
                raise Missing("workspace", workspace_id)
            user.revision += 1

    def revoke(self, name: str) -> None:
        """Make a user's token invalid for good, as a reset in the profile does."""
        self.user(name).is_revoked = True

    # Workspaces ---------------------------------------------------------------------------------------------

    def create_workspace(
        self, name: str, *, workspace_id: int | None = None, at: datetime | None = None, **settings: Any
    ) -> Workspace:
        """A new, empty workspace; `settings` are the further fields of `Workspace`. `at` defaults to now; without
        `organization_id` it has an organization of its own."""
        settings["organization_id"] = self._new_id("organization", (), settings.get("organization_id"))
        row = Workspace(
            self._new_id("workspace", self.workspaces, workspace_id), name, at or self._instant(), **settings
        )
        self.workspaces[row.id] = row
        self._shelves[row.id] = Shelf()
        return row

    def workspace(self, workspace_id: int) -> Workspace:
        """Raises Missing."""
        return found(self.workspaces, "workspace", workspace_id)

    def update_workspace(self, workspace_id: int, **fields: Any) -> Workspace:
        """Change any field of `Workspace` but id and at."""
        stored = self.workspace(workspace_id)
        if bad := fields.keys() & {"id", "at"}:
            raise Refused(f"{name} can't be changed" for name in sorted(bad))
        row = msgspec.structs.replace(stored, **fields, at=self._instant(stored.at))
        self.workspaces[row.id] = row
        self._shelves[row.id].revision += 1
        return row

    def revision(self, workspace_id: int) -> int:
        """A number that moves with every write to the workspace or to a row in it."""
        return self._shelves[workspace_id].revision

    # Within -------------------------------------------------------------------------------------------------

    def _tokens_of(self, name: str) -> list[User]:
        """All users who are the same person as this one."""
        user_id = self.user(name).id
        return [user for user in self.users.values() if user.id == user_id]

    def _shelf(self, workspace_id: int) -> Shelf:
        return found(self._shelves, "workspace", workspace_id)

    def _instant(self, floor: datetime = EVER) -> datetime:
        """The present second in UTC, never before one handed out earlier, nor before `floor`."""
        present = self._now().astimezone(UTC).replace(microsecond=0)
        self._last = max(self._last, present)
        return max(self._last, floor)

    def _new_id(self, kind: str, taken: Container[int], wanted: int | None) -> int:
        """`wanted`, or the next free id of this kind. Ids that the world chooses are never used twice."""
        if wanted in taken:
            raise Refused([f"ID {wanted} has already been taken"])
        new_id = self._ids[kind] + 1 if wanted is None else wanted
        self._ids[kind] = max(self._ids[kind], new_id)
        return new_id


def found(rows: dict[K, V], kind: str, key: K) -> V:
    try:
        return rows[key]
    except KeyError:
        raise Missing(kind, key) from None

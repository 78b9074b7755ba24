"""The Clients API itself, as one token: Toggl first, then the mirror.

The database is a comfort here, not a condition: it knows whether Toggl asked for silence, and its mirror should show
at once what was written. Where it cannot be reached, the write is done all the same and the next pull brings it.
"""

import os
import shlex
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import TypeVar

from msgspec import structs

from syncd.clock import Clock
from syncd.config import Settings
from syncd.errors import ConfigError, DatabaseError, OutcomeUnknown, RateLimited, SyncdError, TogglError
from syncd.postgres.data_dir import DataDir
from syncd.postgres.database import Database
from syncd.postgres.embedded import default_data_dir
from syncd.postgres.migrate import pending
from syncd.postgres.registry import Registry
from syncd.postgres.store import Store
from syncd.records import Client, Project, Written
from syncd.service.database import database_url, open_database
from syncd.service.once import select
from syncd.service.reporting import Reporter
from syncd.service.runtime import open_toggl
from syncd.sync.echo import apply_written
from syncd.sync.pull import keep_hold
from syncd.toggl.client import Conversation
from syncd.toggl.dialect import Inquiry
from syncd.toggl.session import open_session
from syncd.toggl.v8_writes import V8Clients
from syncd.toggl.v9_writes import V9Clients
from syncd.toggl.writes import (
    Active,
    ClientFields,
    ClientsApi,
    Place,
    check_archive,
    check_fields,
    check_plan,
    printable,
)
from syncd.tokens import Token

CLIENTS_APIS: dict[str, ClientsApi] = {"v8": V8Clients(), "v9": V9Clients()}

DATABASE_PATIENCE = timedelta(seconds=5)
"""A person waits: for no longer than this for a database that is not needed to write."""

NEXT_PULL = "the mirror shows it after the next pull"

T = TypeVar("T")


def choose_token(settings: Settings, name: str | None) -> Token:
    """The token to work as; it need not be named where there is only one. Raises ConfigError."""
    if name is None and len(settings.tokens) > 1:
        known = ", ".join(token.name for token in settings.tokens)
        raise ConfigError([f"--token is missing: configured are {known}"])
    (chosen,) = select(settings, [] if name is None else [name])
    return next(token for token in settings.tokens if token.name == chosen)


@dataclass(slots=True)
class Clients:
    """The Clients API as one token. `notes`: what a person should know about the mirror, a sentence each."""

    api: ClientsApi
    token: Token
    conversation: Conversation
    database: Database | None
    why_no_database: str
    notes: list[str] = field(default_factory=list)

    async def find(self, workspace_id: int | None, name: str | None) -> list[Client]:
        """Clients of a workspace, or of all; `name`: those whose name has it in it, in capitals or not."""
        places: Sequence[Place | None] = [None]
        if workspace_id is not None or not self.api.by_id:
            places = await self._places(workspace_id)
        rows = [row for place in places for row in await self._ask(self.api.clients(place))]
        wanted = (name or "").casefold()
        return [row for row in rows if self._is_ours(row.workspace_id) and wanted in row.name.casefold()]

    async def get(self, workspace_id: int | None, id_: int) -> Client:
        return (await self._look(workspace_id, id_))[1]

    async def projects(self, workspace_id: int | None, id_: int, active: Active) -> list[Project]:
        """Projects of a client: those that are `active` ("true"), archived ("false") or both."""
        place, _ = await self._look(workspace_id, id_)
        return await self._ask(self.api.projects(place, id_, active))

    async def create(self, workspace_id: int | None, fields: ClientFields) -> Client:
        check_fields(self.api, fields, creating=True)
        place = await self._place(workspace_id)
        check_plan(place, fields)
        look = f"list --workspace {place.id} --name {shlex.quote(printable(str(fields.name)))}"
        row = await self._write(self.api.create(place, fields), "created", look)
        await self._echo(Written(row.workspace_id, {"client": [row]}))
        return row

    async def update(self, workspace_id: int | None, id_: int, fields: ClientFields) -> Client:
        check_fields(self.api, fields, creating=False)
        place, client = await self._look(workspace_id, id_)
        if fields.has_rate and place.is_pro is None:
            place = await self._place(client.workspace_id)
        check_plan(place, fields)
        row = await self._write(self.api.update(place, client, fields), "changed", _get(client))
        await self._echo(Written(row.workspace_id, {"client": [row]}))
        return row

    async def delete(self, workspace_id: int | None, id_: int) -> Client:
        """What the client was.

        Its projects stay without it, and their `at` does not move (seen by users). Which those are the source is asked
        before: what the mirror knows of them may be of yesterday.
        """
        place, client = await self._look(workspace_id, id_)
        projects: Sequence[Project] = ()
        with suppress(TogglError):
            projects = await self._ask(self.api.projects(place, id_, "both"))
        await self._write(self.api.delete(place, client), "deleted", _get(client))
        orphans = [structs.replace(project, client_id=None) for project in projects]
        await self._echo(Written(client.workspace_id, {"project": orphans}, gone=frozenset({id_})))
        return client

    async def archive(self, workspace_id: int | None, id_: int) -> tuple[Client, Sequence[int]]:
        """The client after it, and the projects that were archived along."""
        check_archive(self.api)
        place, client = await self._look(workspace_id, id_)
        archived = await self._write(self.api.archive(place, client), "archived", _get(client))
        client = structs.replace(client, archived=True)
        return await self._look_again(place, client), archived

    async def restore(self, workspace_id: int | None, id_: int, projects: Sequence[int] | None) -> Client:
        """The client after it. `projects`: those to restore along; None: all of them."""
        check_archive(self.api)
        place, client = await self._look(workspace_id, id_)
        client = await self._write(self.api.restore(place, client, projects), "restored", _get(client))
        return await self._look_again(place, client)

    async def _ask(self, inquiry: Inquiry[T]) -> T:
        return await self.conversation.converse(inquiry)

    async def _write(self, inquiry: Inquiry[T], done: str, look: str) -> T:
        try:
            return await self._ask(inquiry)
        except OutcomeUnknown as error:
            raise OutcomeUnknown(
                f"{error}; unknown whether the client was {done}: "
                f"see `syncd clients {look} --token {self.token.name}` before you try again",
                http_status=error.http_status,
            ) from None

    async def _look_again(self, place: Place, client: Client) -> Client:
        """Bring what became of a client and its projects into the mirror.

        A source that still shows the client as it was before tells nothing: writes settle late.
        """
        told = None
        with suppress(TogglError):
            row = await self._ask(self.api.client(place, client.id))
            projects = await self._ask(self.api.projects(place, client.id, "both"))
            if row.archived == client.archived:
                client, told = row, Written(row.workspace_id, {"client": [row], "project": projects})
        if told is None:
            self.notes.append(NEXT_PULL)
        else:
            await self._echo(told)
        return client

    async def _echo(self, written: Written) -> None:
        """Bring a write into the mirror, or note why it is not there yet."""
        if self.database is None:
            self.notes.append(f"{self.why_no_database}; {NEXT_PULL}")
            return
        try:
            echo = await apply_written(Store(self.database), self.token.name, written)
        except SyncdError as error:
            self.notes.append(f"{error}; {NEXT_PULL}")
            return
        if echo == "owned":
            self.notes.append("a better token sees the same row: the mirror shows it after the next pull of that one")
        elif echo == "later":
            self.notes.append(NEXT_PULL)

    async def _look(self, workspace_id: int | None, id_: int) -> tuple[Place, Client]:
        """A client, and where it is. Raises ConfigError where it is not where it should be."""
        place = None if self.api.by_id else await self._place(workspace_id)
        client = await self._ask(self.api.client(place, id_))
        where = f"client {id_} is in workspace {client.workspace_id}"
        if workspace_id not in (None, client.workspace_id):
            raise ConfigError([f"{where}, not {workspace_id}, and the workspace of a client cannot be changed"])
        if not self._is_ours(client.workspace_id):
            raise ConfigError([f"{where}, which is not among the workspaces of token {self.token.name}"])
        return place or Place(client.workspace_id), client

    async def _place(self, workspace_id: int | None) -> Place:
        """The workspace, which need not be named where there is only one. Raises ConfigError."""
        places = await self._places(workspace_id)
        if len(places) == 1:
            return places[0]
        known = ", ".join(map(str, places))
        raise ConfigError([f"--workspace is missing: token {self.token.name} sees {known or 'none'}"])

    async def _places(self, workspace_id: int | None) -> list[Place]:
        """The workspaces of the token, or of them the one with this id. Raises ConfigError if it is none of them."""
        places = await self._ask(self.api.places())
        if places is None:  # an old server: only who asks can know
            return [] if workspace_id is None else [Place(workspace_id)]
        ours = [place for place in places if self._is_ours(place.id)]
        found = [place for place in ours if workspace_id in (None, place.id)]
        if workspace_id is not None and not found:
            known = ", ".join(map(str, ours)) or "none"
            raise ConfigError([f"--workspace {workspace_id}: token {self.token.name} does not see it; it sees {known}"])
        return found

    def _is_ours(self, workspace_id: int) -> bool:
        return not self.token.workspaces or workspace_id in self.token.workspaces


def _get(client: Client) -> str:
    return f"get {client.id} --workspace {client.workspace_id}"


@asynccontextmanager
async def open_clients(
    settings: Settings, reporter: Reporter, clock: Clock, name: str | None
) -> AsyncIterator[Clients]:
    """The Clients API as the token called `name`.

    Raises:
        ConfigError: no such token.
        RateLimited: Toggl asked to send nothing for this token yet.
    """
    token = choose_token(settings, name)
    async with AsyncExitStack() as stack:
        database, why = await _database(settings, reporter, stack)
        await _refuse_held(database, token.name)
        session = await stack.enter_async_context(open_session(force_close=True))
        toggl = open_toggl(settings, session, reporter, clock)
        secret = token.secret.get_secret_value()
        conversation = toggl.conversation(token.name, secret, lambda retry: reporter.retry(token.name, retry))
        try:
            yield Clients(CLIENTS_APIS[settings.toggl.api], token, conversation, database, why)
        finally:
            if database is not None:
                await keep_hold(toggl, Store(database), token.name)


async def _database(settings: Settings, reporter: Reporter, stack: AsyncExitStack) -> tuple[Database | None, str]:
    """The mirror, open until `stack` ends, or why there is none."""
    configured = settings.database
    embedded = DataDir(configured.data_dir or default_data_dir(os.environ))
    with suppress(OSError):  # what cannot be looked at says why when it is opened
        if configured.url is None and not embedded.data.exists():  # none is made only to look into it
            return None, "there is no mirror yet"
    patience = min(configured.connect_timeout, DATABASE_PATIENCE)
    settings = replace(settings, database=configured.model_copy(update={"connect_timeout": patience}))
    try:
        url = await stack.enter_async_context(database_url(settings, exclusive=False))
        opened = open_database(settings, url, reporter.log, patient=False, schema=False)
        database = await stack.enter_async_context(opened)
        async with database.connection() as connection:
            if await pending(connection):
                return None, f"PostgreSQL at {database.where}: the schema is behind"
        return database, ""
    except DatabaseError as error:
        return None, str(error)


async def _refuse_held(database: Database | None, name: str) -> None:
    """Raises RateLimited for as long as Toggl asked for silence."""
    if database is None:
        return
    with suppress(DatabaseError):
        held = await Registry(database).held([name])
        if name in held:
            raise RateLimited(f"token {name}: Toggl asked to wait", retry_after_s=held[name])

"""The control plane: what a test in any language asks of the emulator beyond the API, as JSON over HTTP.

All paths begin with /_emulator; `GET /_emulator/` describes the others, out of the table below. Bodies and answers
are JSON; an error is one sentence as a JSON string: 400 what was sent is wrong, 401 or 403 who asks may not, 404 no
such path or thing, 405 no such method. These requests need no API token and appear in no count, log, quota or fault.

Whoever comes from this machine may ask. With a token for the control plane, whoever sends it may, and nobody else:
`Authorization: Bearer …`.
"""

import hmac
from collections.abc import Callable
from ipaddress import IPv6Address, ip_address
from typing import Any
from urllib.parse import parse_qs, unquote

import msgspec
from aiohttp import web

from syncd.emulator.control_calls import Call, Calls, Given
from syncd.emulator.dialect import JSON
from syncd.emulator.model import World
from syncd.emulator.rows import Missing, Refused
from syncd.emulator.server import CONTROL_PREFIX, Emulator
from syncd.emulator.timepiece import Timepiece


class _Refusal(Exception):
    """Ends a call with that status and one sentence."""

    def __init__(self, http_status: int, sentence: str, **headers: str) -> None:
        super().__init__(sentence)
        self.http_status = http_status
        self.headers = headers


class Control:
    """Serves the control plane of an emulator: `emulator.control = Control(emulator, timepiece, begin)`.

    Args:
        emulator: the one that is controlled.
        timepiece: the clock of its worlds.
        begin: makes the world that `reset` goes back to; it must ask `timepiece` for the time.
        token: what must be sent; None: nothing, but the peer must be on this machine.
    """

    def __init__(
        self, emulator: Emulator, timepiece: Timepiece, begin: Callable[[], World], *, token: str | None = None
    ) -> None:
        self._token = token
        self._calls = Calls(emulator, timepiece, begin).table()

    async def __call__(self, request: web.BaseRequest) -> web.StreamResponse:
        headers: dict[str, str] = {}
        try:
            self._admit(request)
            run, given = self._find(request.method, request.rel_url.raw_path, request.rel_url.raw_query_string)
            http_status, answer = 200, run(given._replace(body=await _body(request)))
        except _Refusal as error:
            http_status, answer, headers = error.http_status, str(error), error.headers
        except Missing as error:
            http_status, answer = 404, str(error)
        except (Refused, msgspec.ValidationError, OverflowError) as error:
            http_status, answer = 400, str(error)
        return web.Response(
            status=http_status,
            body=msgspec.json.encode(answer),
            headers={"Content-Type": JSON, "Cache-Control": "no-store", **headers},
        )

    def _admit(self, request: web.BaseRequest) -> None:
        """Raises _Refusal for those who may not ask."""
        if self._token is not None:
            scheme, _, sent = request.headers.get("Authorization", "").partition(" ")
            if scheme.lower() == "bearer" and hmac.compare_digest(sent.strip().encode(), self._token.encode()):
                return
            sentence = "The control plane of this emulator needs its own token: Authorization: Bearer …"
            raise _Refusal(401, sentence, **{"WWW-Authenticate": "Bearer"})
        if not is_here(request.remote):
            raise _Refusal(403, "The control plane answers this machine only, unless the emulator has a control token")

    def _find(self, method: str, path: str, query: str) -> tuple[Callable[[Given], object], Given]:
        """The call for a path and what its path and query hold. Raises _Refusal."""
        parts = [unquote(part) for part in path.removeprefix(CONTROL_PREFIX).strip("/").split("/")]
        found = {call.method: (call, keys) for call in self._calls if (keys := _keys(call, parts)) is not None}
        if not found:
            raise _Refusal(404, f"There is no {path}; GET {CONTROL_PREFIX}/ tells what there is")
        if method not in found:
            allowed = ", ".join(found)
            raise _Refusal(405, f"{path} takes {allowed}, not {method}", Allow=allowed)
        call, keys = found[method]
        asked = {name: values[-1] for name, values in parse_qs(query, keep_blank_values=True).items()}
        if unknown := asked.keys() - set(call.query):
            raise _Refusal(400, f"There is no parameter {min(unknown)!r} of {method} {path}")
        return call.run, Given(keys, asked)


def is_here(peer: str | None) -> bool:
    """Whether an address is of this machine."""
    try:
        address = ip_address((peer or "").partition("%")[0])
    except ValueError:
        return False
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        return address.ipv4_mapped.is_loopback  # what an IPv6 socket calls an IPv4 peer
    return address.is_loopback


def _keys(call: Call, parts: list[str]) -> tuple[str, ...] | None:
    """What stands in the path where its template has braces; None if it is another path."""
    template = call.path.strip("/").split("/")
    if len(template) != len(parts):
        return None
    pairs = list(zip(template, parts, strict=True))
    if any(part != name for name, part in pairs if not name.startswith("{")):
        return None
    return tuple(part for name, part in pairs if name.startswith("{"))


async def _body(request: web.BaseRequest) -> Any:
    """The body as JSON, {} for none. Raises _Refusal."""
    try:
        raw = await request.read()
        return msgspec.json.decode(raw) if raw else {}
    except web.HTTPRequestEntityTooLarge:
        raise _Refusal(413, "The body is larger than 1 MiB; send it in parts") from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise _Refusal(400, f"The body is no JSON: {error}") from None

"""Only a server that proves who it is gets to see a token."""

import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NoReturn

import aiohttp
import pytest
import trustme
from aiohttp import web

from syncd.errors import TogglUnavailable
from syncd.toggl.client import Toggl
from syncd.toggl.dialect import Request
from tests.processes import Syncd

PAST = datetime(2020, 1, 1, tzinfo=UTC), datetime(2020, 6, 1, tzinfo=UTC)


@asynccontextmanager
async def serving(certificate: trustme.LeafCert) -> AsyncIterator[tuple[int, list[str]]]:
    """A server with this certificate that knows no token; its port, and the paths that it was asked for."""
    asked: list[str] = []

    async def refuse(request: web.BaseRequest) -> web.StreamResponse:
        asked.append(request.path)
        return web.json_response("Forbidden", status=403)

    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    certificate.configure_cert(context)
    runner = web.ServerRunner(web.Server(refuse))
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context)
    await site.start()
    try:
        yield runner.addresses[0][1], asked
    finally:
        await runner.cleanup()


CERTIFICATES: dict[str, Callable[[trustme.CA], trustme.LeafCert]] = {
    "of an authority that nobody knows": lambda _ca: trustme.CA().issue_cert("localhost"),
    "of another host": lambda ca: ca.issue_cert("elsewhere.example"),
    "that has expired": lambda ca: ca.issue_cert("localhost", not_before=PAST[0], not_after=PAST[1]),
}


@pytest.fixture
def authority(tmp_path: Path, configured: Syncd) -> trustme.CA:
    """An authority that the processes trust."""
    ca = trustme.CA()
    ca.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    configured.environ["SSL_CERT_FILE"] = str(tmp_path / "ca.pem")
    return ca


@pytest.mark.parametrize("which", CERTIFICATES)
async def test_a_certificate_that_proves_nothing(which: str, authority: trustme.CA, configured: Syncd) -> None:
    """One line that says so, no second try, and not one request."""
    async with serving(CERTIFICATES[which](authority)) as (port, asked):
        configured.configure(toggl={"base_url": f"https://localhost:{port}"})
        outcome = await configured("once")
    assert outcome.exit_code == 1
    assert asked == []
    assert "TLS failed" in outcome.pull()["error.message"]
    assert outcome.pull()["syncd.retries"] == 0


async def test_a_certificate_that_is_good(authority: trustme.CA, configured: Syncd) -> None:
    """Of an authority that the operator trusts."""
    async with serving(authority.issue_cert("localhost")) as (port, asked):
        configured.configure(toggl={"base_url": f"https://localhost:{port}"})
        outcome = await configured("once")
    assert asked
    assert outcome.pull()["syncd.pull.reason"] == "token_rejected"


class Unplugged(aiohttp.TCPConnector):
    """Connects to nobody, and keeps how each connection would have been secured."""

    def __init__(self) -> None:
        super().__init__()
        self.secured: list[object] = []

    async def connect(self, req: aiohttp.ClientRequest, *_arguments: Any, **_options: Any) -> NoReturn:
        self.secured.append(req.ssl)
        raise OSError


async def test_old_versions_of_tls_are_not_spoken() -> None:
    """1.2 at least, whatever the system allows, and certificates are verified."""
    connector = Unplugged()
    async with aiohttp.ClientSession(connector=connector) as session:
        toggl = Toggl(session, "https://toggl.example", 0.0, sleep=no_sleep)
        with pytest.raises(TogglUnavailable):
            await toggl.conversation("acme", "a-secret", lambda _: None).send(Request("/api/v9/me"))
    context = connector.secured[0]
    assert isinstance(context, ssl.SSLContext)
    assert context.minimum_version >= ssl.TLSVersion.TLSv1_2
    assert (context.verify_mode, context.check_hostname) == (ssl.CERT_REQUIRED, True)


async def no_sleep(_seconds: float) -> None:
    """The wait before another attempt, which is as vain."""

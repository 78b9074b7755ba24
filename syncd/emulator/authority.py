"""A certificate authority made on the spot, for as long as the process lives, and the file that names it to clients.

The CA's private key is in memory only. (That of the server's certificate passes through a temporary file of mode
0600 for a moment, since OpenSSL as Python binds it reads keys from files only.) Needs the extra `emulate`.
"""

import os
import ssl
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import trustme
from cryptography import x509
from cryptography.x509.oid import NameOID

ORGANISATION = "Toggl emulator"


class Authority:
    """A CA, and a server context with a certificate of it for `hosts`. `pem` is the CA's certificate."""

    def __init__(self, hosts: Sequence[str]) -> None:
        authority = trustme.CA(organization_name=ORGANISATION)
        self.pem: bytes = authority.cert_pem.bytes()
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.set_alpn_protocols(["http/1.1"])
        authority.issue_cert(*hosts, organization_name=ORGANISATION).configure_cert(self.context)


@contextmanager
def ca_file(pem: bytes, path: Path | None) -> Iterator[Path]:
    """A file with the certificate, readable by all: at `path`, where it stays, or a fresh one that is removed.

    Raises FileExistsError if there is a file that is no CA of an emulator: it may be somebody's whole bundle.
    Raises OSError if it cannot be written.
    """
    if path is not None:
        if path.exists() and not _is_ours(path.read_bytes()):
            raise FileExistsError(None, "is there already and was not written by an emulator", str(path))
        with path.open("wb") as file:
            _fill(file.fileno(), pem)
        yield path
        return
    number, name = tempfile.mkstemp(prefix="toggl-emulator-", suffix=".pem")
    try:
        _fill(number, pem)
        os.close(number)
        yield Path(name)
    finally:
        Path(name).unlink(missing_ok=True)


def _fill(number: int, pem: bytes) -> None:
    os.fchmod(number, 0o644)
    os.write(number, pem)


def _is_ours(pem: bytes) -> bool:
    """Whether these bytes are one certificate of our making. An empty file is nobody's."""
    if not pem:
        return True
    try:
        certificates = x509.load_pem_x509_certificates(pem)
    except ValueError:
        return False
    if len(certificates) != 1:
        return False
    names = certificates[0].subject.get_attributes_for_oid(NameOID.ORGANIZATION_NAME)
    return [name.value for name in names] == [ORGANISATION]

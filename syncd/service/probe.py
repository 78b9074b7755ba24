"""`python -m syncd.service.probe [/livez]`: asks the daemon of this container how it is; exit 1 unless it says 200.

The health check of an image without curl. The address is the daemon's own: [service] listen, as the environment or
the configuration file gives it.
"""

import contextlib
import http.client
import os
import sys

from syncd.config import load_settings
from syncd.errors import ConfigError

TIMEOUT_S = 4.0
_ANY = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - what one listens on, and where one is then found


def probe(host: str, port: int, path: str) -> bool:
    """True if the daemon at this address answers `path` with 200 in time."""
    connection = http.client.HTTPConnection(_ANY.get(host, host), port, timeout=TIMEOUT_S)
    with contextlib.closing(connection), contextlib.suppress(OSError, http.client.HTTPException):
        connection.request("GET", path)
        return connection.getresponse().status == http.HTTPStatus.OK
    return False


def main(arguments: list[str]) -> int:
    """The exit code: 0 healthy, 1 not, 2 there is nothing to ask."""
    try:
        listen = load_settings(None, os.environ, require_tokens=False).service.listen
    except ConfigError as error:
        sys.stderr.write("".join(f"syncd: {problem}\n" for problem in error.problems))
        return 2
    if listen is None:
        sys.stderr.write("syncd: [service] listen is not set, so there is nobody to ask; set it\n")
        return 2
    return 0 if probe(*listen, arguments[0] if arguments else "/livez") else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

"""What the rounds share: each is one published library, in an environment of its own, going through the emulator.

A round prints "ok …" for every step whose outcome was looked at; the first that is not as it should be ends it.
The surroundings (which proxy, whose CA) come from the environment, as with any program of a user's.
"""

import os
import sys

TOKEN = os.environ["ROUND_TOKEN"]
WORKSPACE = int(os.environ["ROUND_WORKSPACE"])
CLIENTS = int(os.environ["ROUND_CLIENTS"])
PROJECTS = int(os.environ["ROUND_PROJECTS"])


def step(what: str, found: object, expected: object) -> None:
    """Hold `found` against `expected`; tell, and end the round if they differ."""
    if found != expected:
        sys.exit(f"{what}: expected {expected!r}, found {found!r}")
    print("ok", what, flush=True)

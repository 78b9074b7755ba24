"""Named places of a pull at which a test can have the process die, as if the power went.

`SYNCD_TEST_KILL_AT=after_fetch:2` kills the process the second time it reaches that place. Without the variable a
place costs one comparison. Every name is in PLACES, so that a test can go through them all.
"""

import os
import signal

PLACES = (
    "after_begin",
    "after_fetch",
    "before_workspace_commit",
    "after_workspace_commit",
    "after_lost_workspaces",
    "after_quarantine",
    "before_finish",
    "after_finish",
)

_name, _, _nth = os.environ.get("SYNCD_TEST_KILL_AT", "").partition(":")
_left = int(_nth or 1)


def reach(place: str) -> None:
    """Die here, if this is the place and the time."""
    global _left  # noqa: PLW0603 - a countdown of this process
    if place != _name:
        return
    _left -= 1
    if _left == 0:
        os.kill(os.getpid(), signal.SIGKILL)

"""A version of the API that is no longer there: every path under its prefix answers 410 (v8 docs)."""

import msgspec

from syncd.emulator.dialect import Answer, Route


class Gone:
    """In the place of a dialect. `prefix` as that of the dialect was."""

    def __init__(self, prefix: str) -> None:
        self.prefix = prefix

    def find(self, path: str) -> tuple[Route | None, str]:  # noqa: ARG002 (no path leads anywhere)
        return None, ""

    def refuse(self, http_status: int, message: str) -> Answer:  # noqa: ARG002 (whatever is wrong, it is gone)
        return Answer(410, msgspec.json.encode("This version of the API is no longer available"))

    def stranger(self, *, anonymous: bool) -> Answer:  # noqa: ARG002 (before it is asked who comes)
        return self.refuse(410, "")

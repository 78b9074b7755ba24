"""A way into the socketless API."""

import json
from typing import Any

from syncd.emulator.api import Api, Request, basic
from syncd.emulator.dialect import Answer
from syncd.emulator.model import World


class Caller:
    """Sends requests as a named user."""

    def __init__(self, world: World, **options: Any) -> None:
        self.world = world
        self.api = Api(world, **options)

    def __call__(self, who: str, method: str, path: str, body: object = None) -> Answer:
        sent = b"" if body is None else json.dumps(body).encode()
        return self.api.answer(Request(method, f"/api/{path}", basic(self.world.user(who).token), sent))

    def ok(self, who: str, method: str, path: str, body: object = None) -> Any:
        """The answer's content; it must be 200."""
        answer = self(who, method, path, body)
        assert (answer.status, answer.content_type) == (200, "application/json; charset=utf-8"), answer.body
        return json.loads(answer.body)

    def ids(self, who: str, path: str) -> list[int]:
        return [row["id"] for row in self.ok(who, "GET", path)]

    def error(self, who: str, method: str, path: str, body: object = None) -> tuple[int, str]:
        answer = self(who, method, path, body)
        message = json.loads(answer.body)
        assert isinstance(message, str)
        return answer.status, message

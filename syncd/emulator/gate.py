"""Where the limits meet the API: whose quota a request uses, what a refusal looks like, and the headers. Pure."""

import math
from collections.abc import Callable
from datetime import datetime

from syncd.emulator import v9_wire as wire
from syncd.emulator.dialect import Answer, Route
from syncd.emulator.limits import Bucket, Meter, Standing
from syncd.emulator.model import World
from syncd.emulator.rows import User
from syncd.emulator.switches import Switches
from syncd.emulator.v9_read import whole

REMAINING, RESETS_IN = "X-Toggl-Quota-Remaining", "X-Toggl-Quota-Resets-In"
HTML = "text/html"
TOO_MANY = (
    b"<html>\r\n<head><title>429 Too Many Requests</title></head>\r\n<body>\r\n"
    b"<center><h1>429 Too Many Requests</h1></center>\r\n<hr><center>nginx</center>\r\n</body>\r\n</html>\r\n"
)


class Gate:
    """Everything that has a bucket is counted in it; v8 has none, for it was gone before there were quotas, and knows
    the rate limit only."""

    def __init__(self, world: World, meter: Meter, switches: Switches, now: Callable[[], datetime]) -> None:
        self._world = world
        self._meter = meter
        self._switches = switches
        self._now = now

    def refusal(self, user: User, route: Route, key: str) -> Answer | None:
        """Count a request; 429 or 402 if it is one too many."""
        at, bucket = self._now(), self._bucket(user, route, key)
        counted = bucket
        if route.template.endswith("/me/quota") and not self._switches.quota_call_counted:
            counted = None
        over = self._meter.take(at, user.name, counted)
        if over == "rate":
            wait = {"Retry-After": str(math.ceil(self._meter.wait_s(at, user.name)))}
            headers = wait if self._switches.retry_after_on_429 else {}
            return Answer(429, TOO_MANY, content_type=HTML, headers=headers)
        standing = self._meter.standing(at, bucket) if over and bucket else None
        if standing is None:
            return None
        seconds = standing.resets_in_s
        text = f"You have hit your hourly limit for API calls. The quota will reset in {seconds} seconds."
        return Answer(402, wire.one(text), headers=_headers(standing) if self._switches.quota_headers_on_402 else None)

    def stamped(self, answer: Answer, user: User, route: Route, key: str) -> Answer:
        """The answer with how the bucket stands that the request used."""
        bucket = self._bucket(user, route, key)
        standing = self._meter.standing(self._now(), bucket) if bucket else None
        return answer if standing is None else answer.with_headers(_headers(standing))

    def quota(self, user: User) -> list[wire.Quota]:
        """How all buckets of a user stand, organizations first; those without limit are left out."""
        ids = {self._world.workspaces[workspace_id].organization_id for workspace_id in user.access}
        buckets = [Bucket(user.id, organization_id) for organization_id in (*sorted(ids), None)]
        at = self._now()
        found = ((bucket, self._meter.standing(at, bucket)) for bucket in buckets)
        return [
            wire.Quota(bucket.organization_id, standing.remaining, standing.total, standing.resets_in_s)
            for bucket, standing in found
            if standing is not None
        ]

    def _bucket(self, user: User, route: Route, key: str) -> Bucket | None:
        """A call on a workspace that its user cannot see belongs to no organization (assumed)."""
        if route.bucket is None:
            return None
        workspace_id = whole(key.partition("/")[0]) if route.bucket == "organization" else None
        if workspace_id not in user.access:
            return Bucket(user.id, None)
        return Bucket(user.id, self._world.workspaces[workspace_id].organization_id)


def _headers(standing: Standing) -> dict[str, str]:
    return {REMAINING: str(standing.remaining), RESETS_IN: str(standing.resets_in_s)}

"""What a write of ours changes in the mirror, without waiting for the next pull.

A write is an observation of a few rows by the token that wrote. It goes by the merge rule: a row that a better token
sees is that token's to show, and the mirror waits for it. It proves no absence but that of what it deleted, which is a
confirmed deletion: no second opinion, no guard.

Against pulls: once the answer is here, the fence of the token is raised. A pull of it that was at work may hold lists
from before the write; it can write nothing any more, and is due again at once. What began later saw the write. A pull
of another token that began before it cannot undo it either: a client that it does not know yet is none that it misses,
an older `at` is stale, and a tombstone was decided later than its answers were asked for. Only what changes without
`at`, as the projects of a deleted client do, may go back until that token's next pull.

A process that dies on the way, a database that is away, or a pull that begins between fence and rows, cost nothing but
time: the next pull brings the same.
"""

from typing import Literal

from syncd.postgres.store import RowRefused, Store
from syncd.records import ALWAYS, Written
from syncd.sync.written import Writer, plan_written

Echo = Literal["shown", "owned", "later"]
"""Where the mirror stands: it shows the write; a better token owns a row of it; the next pull brings it."""


async def apply_written(store: Store, token: str, written: Written) -> Echo:
    """Bring a write of `token` into the mirror.

    Raises:
        DatabaseError, FencedOut, InvariantViolated: nothing was written, or all of it; the next pull brings it anyway.
    """
    begun = await store.begin_write(token)
    if begun is None:
        return "later"
    try:
        async with store.workspace(begun, written.workspace_id) as writer:
            told = written.told.items()
            stored = await writer.read(ALWAYS)
            rows = {resource: await writer.read_rows(resource, [r.id for r in records]) for resource, records in told}
            plan = plan_written(written, stored, rows, Writer(begun.rank, begun.began_at))
            if plan is None or await writer.is_lost():
                return "later"
            await writer.write_workspace(None)
            for resource, changes in plan.diffs.items():
                await writer.write_rows(resource, changes, plan.stubs.get(resource, ()))
            is_far_reaching = bool(written.gone or written.told.get("project"))
            await writer.apply_written(plan.workspace, is_far_reaching=is_far_reaching)
    except RowRefused:
        return "later"  # the next pull finds out why, and puts the row aside
    if plan.writes_rows:
        await store.close_pull(begun, "changed", {})
    is_owned = any(scope.yielded for scope in plan.workspace.scopes.values())
    return "owned" if is_owned else "shown"

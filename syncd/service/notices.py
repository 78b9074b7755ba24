"""Which line of the log a notice of a pull becomes."""

from typing import Any

from syncd.sync.report import Notice
from syncd.telemetry import row_events
from syncd.telemetry.event import Event

IDS_PER_LINE = 100
"""Ids that one line names; the database knows the rest."""

_EVENTS: dict[str, Event] = {
    "incomplete": row_events.SNAPSHOT_INCOMPLETE,
    "deleted": row_events.DELETE_APPLIED,
    "pending": row_events.DELETE_PENDING,
    "held": row_events.DELETE_BLOCKED,
    "released": row_events.DELETE_RELEASED,
    "reappeared": row_events.RECORD_REAPPEARED,
    "restored": row_events.RECORD_AT_REGRESSED,
    "from_future": row_events.RECORD_AT_FUTURE,
    "owner_changed": row_events.OWNER_CHANGED,
}


def line_of(notice: Notice) -> tuple[Event, dict[str, Any]]:
    """The event, and its fields beyond token and pull."""
    fields: dict[str, Any] = {"toggl.workspace.id": notice.workspace_id, "syncd.resource": notice.resource}
    if notice.held is not None:
        fields |= {
            "syncd.count": len(notice.held.ids),
            "syncd.live": notice.held.live,
            "syncd.candidate_hash": notice.held.hash,
            "syncd.delete.reason": notice.held.reason,
        }
    elif notice.ids:
        fields |= {"syncd.count": len(notice.ids), "syncd.ids": notice.ids[:IDS_PER_LINE]}
    elif notice.kind == "incomplete":
        fields["syncd.pull.reason"] = notice.detail
    elif notice.kind == "released":
        fields["syncd.candidate_hash"] = notice.detail
    else:
        fields["syncd.count"] = notice.count
    if notice.kind == "owner_changed":
        fields["syncd.heir"] = notice.detail
    return _EVENTS[notice.kind], fields

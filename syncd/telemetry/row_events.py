"""The events about mirrored rows: what a pull found, wrote, or would not believe."""

from syncd.telemetry.event import define

SNAPSHOT_INCOMPLETE = define(
    "syncd.snapshot.incomplete",
    "warning",
    "listing[ of {syncd.resource}s] is not complete[: {syncd.pull.reason}]",
    "what is absent from it proves nothing",
    "explains why rows are not marked as deleted",
    ("syncd.pull.reason",),
)
RECORD_QUARANTINED = define(
    "syncd.record.quarantined",
    "warning",
    "{syncd.resource}[ {syncd.record.id}] kept aside[: {syncd.record.reason}]",
    "a record that could not be stored; its neighbours were",
    "mend the record at the source",
    ("syncd.record.id", "syncd.record.reason"),
)
RECORD_RELEASED = define(
    "syncd.record.released",
    "info",
    "{syncd.resource}[ {syncd.record.id}] is good again",
    "a record left the quarantine",
    "none",
    ("syncd.record.id",),
)
DELETE_PENDING = define(
    "syncd.delete.pending",
    "info",
    "{syncd.token.id}: {syncd.count} {syncd.resource}(s) missing, to be confirmed",
    "rows were missing from complete snapshots, and further ones have to agree",
    "audit",
    ("syncd.count",),
)
DELETE_APPLIED = define(
    "syncd.delete.applied",
    "info",
    "{syncd.token.id}: {syncd.count} {syncd.resource}(s) are gone",
    "rows became tombstones",
    "audit: the ids tell which",
    ("syncd.count", "syncd.ids"),
)
DELETE_BLOCKED = define(
    "syncd.delete.blocked",
    "error",
    "{syncd.token.id}: {syncd.count} of {syncd.live} {syncd.resource}(s) would go; decide with: syncd deletes list",
    "the guard holds back more deletions than is usual; everything else is mirrored",
    "look at the source; syncd deletes approve HASH, or reject HASH",
    ("syncd.count", "syncd.live", "syncd.candidate_hash", "syncd.delete.reason"),
)
DELETE_RELEASED = define(
    "syncd.delete.released",
    "info",
    "{syncd.token.id}: held-back deletions of {syncd.resource}s are settled",
    "the rows came back, or a person decided",
    "nothing to do",
    ("syncd.candidate_hash",),
)
RECORD_REAPPEARED = define(
    "syncd.record.reappeared",
    "info",
    "{syncd.token.id}: {syncd.count} deleted {syncd.resource}(s) are back",
    "tombstones became live rows again",
    "a restore at the source, if there are many",
    ("syncd.count", "syncd.ids"),
)
RECORD_AT_REGRESSED = define(
    "syncd.record.at_regressed",
    "warning",
    "{syncd.token.id}: {syncd.count} {syncd.resource}(s) went back in time",
    "several complete snapshots agreed on an older state, and it was accepted",
    "ask whether the source was restored",
    ("syncd.count", "syncd.ids"),
)
RECORD_AT_FUTURE = define(
    "syncd.record.at_future",
    "warning",
    "{syncd.token.id}: {syncd.count} {syncd.resource}(s) changed in the future, they say",
    "a record's time of change is more than a day ahead",
    "look at the clocks",
    ("syncd.count", "syncd.ids"),
)
OWNER_CHANGED = define(
    "syncd.record.owner_changed",
    "info",
    "{syncd.count} {syncd.resource}(s) are shown as {syncd.heir} sees them, no longer {syncd.token.id}",
    "a token no longer sees rows that another one still does",
    "explains rows that change though nobody edited them",
    ("syncd.count", "syncd.heir"),
)
HISTORY_EXPIRED = define(
    "syncd.history.expired",
    "info",
    "{syncd.count} superseded version(s) forgotten",
    "versions that ended longer ago than [sync.history] retention were removed",
    "nothing to do",
    ("syncd.count",),
)

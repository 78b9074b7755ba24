"""The guards, and how each is removed: a text that stands exactly once in its file, and what replaces it."""

from typing import NamedTuple

SYNC = "tests/unit/sync tests/property/sync tests/integration/sync"
DELETES = "tests/unit/sync/test_deletes.py tests/unit/sync/test_visibility.py tests/integration/sync/test_deletes.py"
OWNERS = "tests/unit/sync/test_planning.py tests/integration/sync/test_owners.py"
STORE = " ".join(f"tests/integration/sync/test_{name}.py" for name in ("store", "owners", "unfinished"))
CLIENT = "tests/integration/toggl tests/unit/toggl"
DECODE = "tests/unit/toggl"
LOGS = "tests/unit/telemetry tests/property/telemetry"


class Mutant(NamedTuple):
    """`guard`: what is lost. `old` becomes `new` in `file`; `tests`: where it should be noticed."""

    guard: str
    file: str
    old: str
    new: str
    tests: str


MUTANTS = [
    # -- which state of a row wins
    Mutant("an older state does not replace a newer one", "syncd/sync/diff.py",
           "    if record.at < row.record.at:\n", "    if False:\n", SYNC),
    Mutant("content is compared, not only `at`", "syncd/sync/diff.py",
           "    if record == row.record:\n", "    if record.at == row.record.at:\n", SYNC),
    Mutant("equal content never writes", "syncd/sync/diff.py",
           "    if record == row.record:\n", "    if False:\n", SYNC),
    Mutant("volatile fields make no version", "syncd/sync/diff.py",
           'return "volatile" if _lasting(record) == _lasting(row.record) else "update"', 'return "update"', SYNC),
    Mutant("a late answer does not reopen a tombstone", "syncd/sync/diff.py",
           'return "reappear" if began_at > row.deleted_at else "stale"', 'return "reappear"', SYNC),
    Mutant("a restore needs three snapshots that agree", "syncd/sync/diff.py",
           "RESTORE_AFTER = 3\n", "RESTORE_AFTER = 2\n", SYNC),
    Mutant("a restore is recognised at all", "syncd/sync/diff.py",
           "RESTORE_AFTER = 3\n", "RESTORE_AFTER = 10**9\n", SYNC),
    # -- ownership
    Mutant("the better token owns what it sees", "syncd/sync/visibility.py",
           "    return frozenset().union(*better)\n", "    return frozenset()\n", OWNERS),
    Mutant("administrators rank first", "syncd/sync/visibility.py",
           "if (not viewer.is_admin, viewer.rank) < (not is_admin, rank)", "if viewer.rank < rank", OWNERS),
    Mutant("heirs look again", "syncd/postgres/writer.py",
           "        if heirs:\n", "        if False:\n", STORE),
    Mutant("rejected tokens own nothing", "sql/queries/scopes.sql",
           "  AND t.enabled AND t.status <> 'rejected' AND s.lost_at IS NULL;", "  AND t.enabled;", OWNERS),
    Mutant("a request to compare survives a pull at work", "sql/queries/tokens.sql",
           "digest = CASE WHEN compare_no = $8 THEN $5::bytea END", "digest = $5::bytea", STORE),
    # -- when a row is gone
    Mutant("one snapshot is not enough", "syncd/sync/deletes.py",
           "cohort.count >= needed and", "cohort.count >= 1 and", DELETES),
    Mutant("snapshots lie apart", "syncd/sync/deletes.py",
           "and cohort.last - cohort.since >= min_age)", ")", DELETES),
    Mutant("small scopes need three", "syncd/sync/deletes.py",
           "FEW_ROWS_CONFIRMATIONS = 3\n", "FEW_ROWS_CONFIRMATIONS = 1\n", DELETES),
    Mutant("the guard against mass deletion", "syncd/sync/deletes.py",
           'return "shrunk" if candidates > max(ALWAYS_ALLOWED, max_share * live) else None', "return None",
           DELETES),
    Mutant("the guard of emptied scopes", "syncd/sync/deletes.py",
           "    if candidates and is_emptied:\n", "    if False:\n", DELETES),
    Mutant("an approval is for one set of rows", "syncd/sync/deletes.py",
           "    decision = decisions.get(held.hash)\n", "    decision = next(iter(decisions.values()), None)\n",
           DELETES),
    Mutant("what others see is not gone", "syncd/sync/planning.py",
           "frozenset().union(*(viewer.ids for viewer in stored.viewers))", "frozenset()", SYNC),
    Mutant("all who saw it must have missed it", "syncd/sync/planning.py",
           "    unconfirmed = unconfirmed_by(stored.viewers, pulling.deletes)\n", "    unconfirmed = frozenset()\n",
           DELETES + " " + OWNERS + " tests/stateful"),
    Mutant("what was hidden counts nothing", "syncd/sync/planning.py",
           "absent=restart(scope.absent, stored.viewers, pulling.began_at)", "absent=scope.absent", SYNC),
    Mutant("incomplete snapshots prove nothing", "syncd/sync/planning.py",
           "    if not snapshot.incomplete:\n", "    if True:\n", SYNC + " tests/chaos/test_http_faults.py"),
    Mutant("incomplete snapshots take nothing away", "syncd/sync/visibility.py",
           "    if snapshot.incomplete:\n", "    if False:\n", SYNC),
    Mutant("another strategy is another baseline", "syncd/sync/visibility.py",
           "    if scope.strategy != snapshot.strategy:\n", "    if False:\n", SYNC),
    Mutant("a snapshot confirms once", "syncd/sync/visibility.py",
           "(cohort.last == began_at and cohort.count)", "False", DELETES),
    Mutant("other workspaces, other rights", "syncd/sync/pull.py",
           "        if report.gained or report.lost:\n", "        if False:\n", OWNERS),
    Mutant("the source is asked before a row is buried", "syncd/sync/apply.py",
           "            if plan.doomed and not is_sure:\n", "            if False:\n", DELETES),
    Mutant("equal answers confirm while something waits", "syncd/sync/pull.py",
           "trusted = seen if report.is_settled and not rejects else None", "trusted = seen", SYNC),
    Mutant("another account misses nothing", "syncd/postgres/registry.py",
           "            if others:\n", "            if False:\n", DELETES),
    # -- reading the source
    Mutant("a rejected record doubts its snapshot", "syncd/toggl/collector.py",
           'self.doubt(expected if expected is not None else row.workspace_id, "rejects")', "pass", DECODE),
    Mutant("a contradiction doubts its snapshot", "syncd/toggl/collector.py",
           'self.doubt(row.workspace_id, "duplicates")', "pass", DECODE),
    Mutant("a body without an end doubts its snapshot", "syncd/toggl/collector.py",
           "        if not answer.framed:\n", "        if False:\n", DECODE),
    Mutant("archived projects are asked for", "syncd/toggl/v8.py",
           '_BOTH = (("active", "both"),)', "_BOTH = ()", DECODE),
    Mutant("HTML is no list", "syncd/toggl/dialect.py",
           '    if answer.content_type != "application/json":\n', "    if False:\n",
           DECODE + " tests/integration/sync"),
    Mutant("amounts are bounded", "syncd/toggl/rows.py",
           "if not (amount.is_finite() and 0 <= amount < _MONEY_LIMIT):", "if False:", DECODE),
    Mutant("NUL cannot fail a batch", "syncd/toggl/rows.py",
           'b"\\\\ufffd" if match[1] else match[0]', "match[0]", DECODE),
    Mutant("4xx is not tried again", "syncd/toggl/answers.py",
           "    if http_status >= 500:\n", "    if http_status >= 403:\n", CLIENT),
    Mutant("5xx is tried again", "syncd/toggl/client.py",
           "return isinstance(error, TogglUnavailable) and error.passing", "return False", CLIENT),
    Mutant("Retry-After is honoured", "syncd/toggl/client.py",
           "            self._pacer.hold_until(toggl.clock.monotonic() + failure.retry_after_s)\n",
           "            self._pacer.hold_until(0.0)\n", CLIENT),
    Mutant("a long Retry-After ends the pull", "syncd/toggl/client.py",
           "PATIENCE_S = 60.0\n", "PATIENCE_S = 1e9\n", CLIENT),
    Mutant("redirects are refused", "syncd/toggl/client.py",
           "allow_redirects=False", "allow_redirects=True", CLIENT),
    Mutant("bodies are capped", "syncd/toggl/answers.py",
           "        if self._size > self._limit:\n", "        if False:\n", CLIENT),
    Mutant("the end of a gzip stream is verified", "syncd/toggl/answers.py",
           "if self._gzip is not None and (not self._gzip.eof or self._gzip.unused_data):", "if False:", CLIENT),
    Mutant("requests are paced", "syncd/toggl/pacing.py",
           "        self._free_at = slot + self.interval_s\n", "        self._free_at = slot\n", CLIENT),
    # -- the transaction
    Mutant("the fence is compared where rows are written", "syncd/postgres/store.py",
           'if not await connection.fetchval(queries()["hold_fence"], begun.token, begun.pull_id):\n'
           '                    raise FencedOut(f"a later pull of token {begun.token} took over")\n'
           "                yield",
           "yield", STORE),
    Mutant("the fence is raised", "sql/queries/tokens.sql",
           "SET pull_id = nextval('syncd.pull_ids')", "SET pull_id = 1", STORE),
    Mutant("one writer per workspace", "sql/queries/scopes.sql",
           "SELECT pg_advisory_xact_lock(hashtextextended('syncd.workspace ' || $1::bigint::text, 0));",
           "SELECT $1::bigint;", STORE),
    Mutant("clients and projects commit together", "syncd/postgres/writer.py",
           "        await self._write_stubs(plan)\n        await PROJECTS.write(",
           '        await connection.execute("COMMIT; BEGIN")\n        await self._write_stubs(plan)\n'
           "        await PROJECTS.write(",
           "tests/integration/sync tests/chaos/test_cuts.py"),
    Mutant("superseded versions are kept", "sql/queries/clients.sql",
           "WHERE s.change = 'update';", "WHERE false;", SYNC),
    Mutant("a tombstone closes its version", "sql/queries/clients.sql",
           "    WHERE t.id = ANY ($1::bigint[]) AND t.deleted_at IS NULL AND NOT t._is_stub\n)\nUPDATE",
           "    WHERE false\n)\nUPDATE", SYNC),
    Mutant("unseen parents become stubs", "syncd/postgres/writer.py",
           "        ids = [*plan.stub_clients, *more]\n", "        ids = [*more]\n", SYNC),
    Mutant("one bad row costs itself only", "syncd/sync/apply.py",
           "            except RowRefused:\n", "            except ZeroDivisionError:\n",
           "tests/integration/sync tests/chaos/test_postgres_faults.py"),
    Mutant("the database's stumbles are tried again", "syncd/sync/apply.py",
           "DATABASE_ATTEMPTS = 5\n", "DATABASE_ATTEMPTS = 1\n", "tests/chaos/test_postgres_faults.py"),
    Mutant("what was written is counted", "syncd/postgres/tables.py",
           "    if expected != found:\n", "    if False:\n", "tests/integration tests/unit/postgres"),
    Mutant("nothing changed, nothing done", "syncd/sync/pull.py",
           "        if seen == begun.digest and not full:\n", "        if False:\n", SYNC),
    Mutant("a digest of before is not trusted after an unfinished pull", "sql/queries/scopes.sql",
           "UPDATE syncd.tokens SET digest = NULL WHERE name = $1 AND digest IS NOT NULL",
           "UPDATE syncd.tokens SET digest = digest WHERE name = $1 AND false", STORE),
    Mutant("an edited migration is refused", "syncd/postgres/migrate.py",
           'if row["checksum"] != file.checksum:', "if False:", "tests/integration/postgres/test_migrate.py"),
    Mutant("one process migrates", "sql/queries/migrations.sql",
           "SELECT pg_try_advisory_xact_lock(hashtextextended('syncd.migrations', 0));", "SELECT true;",
           "tests/integration/postgres/test_migrate.py"),
    # -- secrets
    Mutant("the redactor comes last", "syncd/telemetry/logs.py",
           "processors=[compose, redactor, render]", "processors=[compose, render]", LOGS),
    Mutant("tracebacks show no locals", "syncd/telemetry/logs.py",
           "capture_locals=False", "capture_locals=True", LOGS),
    Mutant("what looks like a secret is not mirrored", "syncd/toggl/rows.py",
           "if k not in self._known and not _SECRET_KEY.search(k)}", "if k not in self._known}", DECODE),
]  # fmt: skip

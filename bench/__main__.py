"""`make bench`: syncd beside the least work that moves the same rows, and beside what else is used for it.

    python -m bench [--quick] [--only first,unchanged] [--rows 100000] [--rounds 3] [--minutes 30]

`--only` takes names of cases and of steps: the listed ones are played, and the steps that lead to them. Only a run of
all of them writes RESULTS.md, anew after each case, and draws the curves from it; any other prints what it would say.
What was not played, for lack of time, because somebody failed, or because of Ctrl-C, is listed as missing.
"""

import argparse
import os
import signal
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import replace

from bench import curves, goals, report, workloads
from bench.stage import ROOT, postgres, scratch
from bench.suite import Record, Workload, missing, play

PAGE = ROOT / "bench" / "RESULTS.md"
INTERRUPTED = 130


def main() -> int:
    args = _arguments()
    asked, is_whole = _asked(args), not (args.quick or args.only)
    record, load = Record(), os.getloadavg()[0]

    def tell(version: str) -> str:
        page = _page(asked, record, report.machine((load, os.getloadavg()[0]), version), is_whole=is_whole)
        if is_whole:
            PAGE.write_text(page)
        return page

    page = _play(asked, args, record, tell)
    if args.quick:
        print(report.table(report.GOAL_HEAD, report.judged(record.results, goals.KEY_GOALS, is_whole=False)))
    else:
        print(page)
    if is_whole:
        curves.main()
    return INTERRUPTED if record.end == "interrupted" else bool(record.failures)


def _play(asked: Sequence[Workload], args: argparse.Namespace, record: Record, tell: Callable[[str], str]) -> str:
    """All cases; after each and at the end all is told that is known by then, to which PostgreSQL's version belongs."""
    ends_at_s = time.monotonic() + args.minutes * 60
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background job is born deaf to it
    signal.signal(signal.SIGTERM, lambda *_: signal.raise_signal(signal.SIGINT))
    with scratch() as directory, postgres(directory) as server:
        version = server.ask("postgres", "SHOW server_version")[0][0]
        try:
            for workload in asked:
                record.end = "not begun yet"
                play(workload, args.rounds, server, directory, record, lambda: time.monotonic() > ends_at_s)
                tell(version)
        except KeyboardInterrupt:
            record.end = "interrupted"
        return tell(version)


def _page(asked: Sequence[Workload], record: Record, machine: Sequence[str], *, is_whole: bool) -> str:
    """What `RESULTS.md` says."""
    results = record.results
    judged = report.judged(results, goals.KEY_GOALS + goals.MORE_GOALS, is_whole=is_whole)
    parts = [
        "# Results",
        "Written by `make bench`; what the words mean, and how time is taken, is in [README.md](README.md).",
        "\n".join(machine),
        "## Goals",
        report.table(report.GOAL_HEAD, judged),
        "## Everything that was run",
        report.table(report.COST_HEAD, report.costs(results)),
        "## 64 readers during a sync",
        _listed(report.readers(results)),
        "## Missing",
        _listed(missing(asked, record)),
    ]
    return "\n\n".join(parts) + "\n"


def _listed(lines: Sequence[str]) -> str:
    return "\n".join(f"- {line}" for line in lines) or "Nothing."


def _asked(args: argparse.Namespace) -> list[Workload]:
    rows = args.rows or (workloads.QUICK_ROWS if args.quick else workloads.BASE_ROWS)
    known = workloads.quick(rows) if args.quick else workloads.everything(rows)
    return _only([*known, *workloads.beyond()], args.only) if args.only else known


def _only(known: Sequence[Workload], names: Sequence[str]) -> list[Workload]:
    """The cases, and of each the steps, that `names` list; of a case that is not listed, none if any is listed."""
    steps = {step for workload in known for step in workload.steps}
    cases = {workload.name for workload in known}
    unknown = set(names) - steps - cases
    if unknown:
        raise SystemExit(f"--only {','.join(sorted(unknown))}: there are {', '.join([*sorted(cases), *sorted(steps)])}")
    is_all_cases, wanted = not cases & set(names), steps & set(names)
    chosen = [workload for workload in known if is_all_cases or workload.name in names]
    return [replace(workload, plays=_up_to(workload, wanted or steps)) for workload in chosen]


def _up_to(workload: Workload, wanted: set[str]) -> dict[str, Sequence[str]]:
    """`first` makes the database; steps in between change the source, so only reading ones can be left out."""
    plays = {
        name: [step for step in steps if step in wanted or step == "first"] for name, steps in workload.plays.items()
    }
    return {name: steps for name, steps in plays.items() if steps}


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="the key figures, small; writes no file")
    parser.add_argument("--only", type=lambda text: text.split(","), default=[], help="cases and steps, by name")
    parser.add_argument("--rows", type=int, help="of the base case; default 500,000, with --quick 50,000")
    parser.add_argument("--rounds", type=int, help="default 3, with --quick 2; large cases are played once")
    parser.add_argument("--minutes", type=float, default=30, help="after which no round is begun any more")
    args = parser.parse_args()
    args.rounds = args.rounds or (2 if args.quick else 3)
    return args


if __name__ == "__main__":
    sys.exit(main())

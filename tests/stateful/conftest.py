"""What a run tried, told at its end, by whichever process it was."""

import pytest

from tests.stateful.profile import DEEP, SEED


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """The counts, and how to run the same again."""
    if not DEEP:
        return
    for reports in terminalreporter.stats.values():
        for report in reports:
            for name, value in getattr(report, "user_properties", ()):
                if getattr(report, "when", "") == "call":
                    terminalreporter.write_line(f"{name}: {value}")
    terminalreporter.write_line(f"again: make test-deep SEED={SEED} EXAMPLES={DEEP}")

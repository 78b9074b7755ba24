"""What the daemon says when it ends."""

from io import StringIO

import pytest

from syncd import config
from syncd.cli.run import measuring_reporter
from syncd.clock import Clock
from syncd.service.daemon import Daemon
from tests.processes import events_in


async def test_a_mistake_of_ours_is_no_good_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """The last line is fatal, with the exit code that the process will have."""

    async def fall(_daemon: Daemon) -> int:
        raise ZeroDivisionError("in a turn")

    monkeypatch.setattr(Daemon, "_open_and_serve", fall)
    stream, clock = StringIO(), Clock()
    settings = config.load_settings(None, {"TOGGL_API_TOKEN": "abc"})
    reporter = measuring_reporter(settings.log, stream, clock)
    with pytest.raises(ZeroDivisionError):
        await Daemon(settings, reporter, clock).run()
    reporter.log.close()
    *_, last = events_in(stream.getvalue())
    assert (last["event.action"], last["log.level"], last["syncd.exit_code"]) == ("syncd.stop.finish", "fatal", 1)
    assert last["error.type"] == "ZeroDivisionError"

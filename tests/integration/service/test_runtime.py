"""What a new configuration changes in a process at work."""

from datetime import timedelta
from io import StringIO

from syncd import config
from syncd.cli.run import measuring_reporter
from syncd.clock import Clock
from syncd.config import Settings, load_settings
from syncd.service.runtime import open_runtime


def settings(url: str, api: str, full_every: str) -> Settings:
    return load_settings(
        None,
        {
            "SYNCD_DATABASE__URL": url,
            "SYNCD_TOGGL__API": api,
            "SYNCD_TOKENS": '[{"name": "a", "token_env": "A"}]',
            "A": "a-token-of-the-usual-length",
            "SYNCD_SYNC__FULL_EVERY": full_every,
        },
    )


async def test_quotas_are_counted_by_the_settings_in_force(migrated_url: str) -> None:
    """How often everything is listed, and whether the API has quotas at all; what pulls at work set aside stays so."""
    clock, url = Clock(), migrated_url
    reporter = measuring_reporter(config.Log(), StringIO(), clock)
    async with open_runtime(settings(url, "v9", "24h"), url, reporter, clock, patient=False) as runtime:
        before = runtime.puller.budget
        assert before is not None
        sheet = await before.open("a", full=False)
        runtime.adopt(settings(url, "v9", "6h"), forget=())
        after = runtime.puller.budget
        assert after is not None
        assert (after.full_every, after.toggl) == (timedelta(hours=6), runtime.puller.toggl)
        assert await before.close(sheet, is_whole=None) is None
        assert await after.close(sheet, is_whole=None) is None
        runtime.adopt(settings(url, "v8", "6h"), forget=())
        assert runtime.puller.budget is None
        runtime.adopt(settings(url, "v9", "6h"), forget=())
        assert runtime.puller.budget is not None

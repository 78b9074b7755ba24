"""Two and three daemons on one database: killed, frozen and woken, they leave a mirror that is right, politely made."""

from pathlib import Path

from tests.replicas.fleet import Size, fleet_of, freeze

TOKENS = 12


async def test_replicas_share_the_tokens_and_survive(migrated_url: str, tmp_path: Path) -> None:
    """One is killed, one is frozen for longer than its heartbeat: every token is fresh again, no version is doubled,
    and no token asked faster than it may, whoever asked with it."""
    few = {"max_concurrent_pulls": 2}  # so that none can take all
    async with fleet_of(
        tmp_path, migrated_url, Size(TOKENS), dispatcher="pgqueuer", interval_s=3, settings=few
    ) as fleet:
        await fleet.start(3)
        await fleet.until_fresh(TOKENS, 60)
        for client in (1, 21, 41):
            fleet.source.world.update_client(client, name=f"Renamed {client}")
        await fleet.daemons[0].kill()
        await freeze(fleet.daemons[1], 11)
        await fleet.until_fresh(TOKENS, 60)
        await fleet.until_fresh(TOKENS, 60)
        assert await fleet.is_mirror()
        assert await fleet.doubled_versions() == 0
        assert fleet.source.bursts(1.0) == 0, fleet.source.least_gap_s
        assert all(fleet.pulls(n) for n in range(3))


async def test_standby_takes_over_a_local_daemons_tokens(migrated_url: str, tmp_path: Path) -> None:
    """Frozen and woken, the first one goes on; killed, the second one does. Never both."""
    async with fleet_of(tmp_path, migrated_url, Size(TOKENS), dispatcher="local", interval_s=3) as fleet:
        await fleet.start()
        await fleet.daemons[0].event("syncd.leader.acquired")
        await fleet.start()
        await freeze(fleet.daemons[0], 5)
        await fleet.until_fresh(TOKENS, 60)
        assert fleet.pulls(1) == 0
        await fleet.daemons[0].kill()
        fleet.source.world.update_client(1, name="Renamed")
        await fleet.daemons[1].event("syncd.leader.acquired")
        await fleet.until_fresh(TOKENS, 60)
        assert await fleet.is_mirror()
        assert await fleet.doubled_versions() == 0
        assert fleet.source.bursts(1.0) == 0, fleet.source.least_gap_s

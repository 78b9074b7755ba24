"""The health check of the image, as the image calls it."""

from tests.processes import Syncd
from tests.servers import unused_port

PROBE = ("-m", "syncd.service.probe")


async def test_probe_tells_life_from_readiness_and_from_death(configured: Syncd) -> None:
    """It asks the address that the daemon listens on, also where that is all addresses."""
    listen = {"SYNCD_SERVICE__LISTEN": f"0.0.0.0:{unused_port()}"}
    probe = Syncd(configured.home, configured.secrets, program=PROBE)
    configured.configure(database={"url": f"postgresql://canary@127.0.0.1:{unused_port()}/bi"})

    async with configured.running("run", environ=listen) as daemon:
        await daemon.event("syncd.db.unavailable")
        assert (await probe("/livez", environ=listen)).exit_code == 0
        assert (await probe("/readyz", environ=listen)).exit_code == 1
    dead = await probe("/livez", environ=listen)
    assert (dead.exit_code, dead.messages) == (1, [])


async def test_probe_without_an_address_says_what_to_set(syncd: Syncd) -> None:
    """A check that cannot work must not look like a daemon that is ill."""
    syncd.configure(sync={"interval": "1m"})
    unset = await Syncd(syncd.home, syncd.secrets, program=PROBE)()
    assert unset.exit_code == 2
    assert unset.messages == ["syncd: [service] listen is not set, so there is nobody to ask; set it"]

"""Places for pulls that hold records."""

import asyncio

from syncd.sync.room import Room


async def test_a_place_is_waited_for() -> None:
    """The third of three goes in when one of the two that are in leaves."""
    room, inside, leave = Room(places=2, patience_s=60), asyncio.Semaphore(0), asyncio.Event()

    async def stay() -> bool:
        async with room.place() as is_given:
            inside.release()
            await leave.wait()
            return is_given

    first = [asyncio.create_task(stay()) for _ in range(2)]
    for _ in first:
        await inside.acquire()
    third = asyncio.create_task(stay())
    await asyncio.sleep(0)
    assert inside.locked()
    leave.set()
    assert await asyncio.gather(*first, third) == [True, True, True]


async def test_patience_ends() -> None:
    """Whoever waited long enough goes in without a place, and takes none away when it leaves."""
    room = Room(places=1, patience_s=0)
    async with room.place() as first:
        async with room.place() as second:
            assert (first, second) == (True, False)
        async with room.place() as third:
            assert third is False
    async with room.place() as fourth:
        assert fourth is True

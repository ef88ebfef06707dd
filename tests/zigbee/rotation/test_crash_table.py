"""The crash table: whatever happens to host or stick while the network key is changed, afterwards the network works,
the key of the records is the key on the air, every device is reachable or listed, and the rotation ends."""

from __future__ import annotations

import asyncio
import copy
import random
from collections import Counter
from collections.abc import Coroutine
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from hubsec.errors import HubsecError, RadioError
from hubsec.events import RotationStepped
from hubsec.rotation.shapes import Delivery, Outcome, Step, Way
from hubsec_emulated.devices.sensor import ContactSensor
from hubsec_emulated.ncp.tokens import Tokens
from hubsec_zigbee.restoring import BROUGHT_BACK, OLD_BACKUP
from tests.zigbee.rotation.crashes import LONGEST, World, a_world, simulated

pytestmark = [pytest.mark.hosts, pytest.mark.slow]

SHARDS, MOMENTS = 8, 25
"""Two hundred seeded moments in all."""
STEPS = 60
"""Steps of a host until it is cut off, at the most; a whole rotation takes about 150."""
STARTS = 0.15
"""The share of hosts that are cut off in their start already, or before the rotation has begun."""
WAYS = (Way.UNICAST, Way.UNICAST, Way.BROADCAST)
JOURNAL = (
    (Step.STAGED, 1),
    (Step.DELIVERING, 1),
    (Step.SWITCHING, 1),
    (Step.SWITCHED, 1),
    (Step.DELIVERING, 2),
    (Step.SWITCHING, 2),
    (Step.SWITCHED, 2),
    (Step.CONFIRMING, 2),
)
"""Every entry of a unicast rotation's journal that a host can be cut off at."""
each_mode = pytest.mark.parametrize("attached", [False, True], ids=["own", "attached"])


async def cut_off(world: World, work: Coroutine[Any, Any, Any]) -> bool:
    """Do `work`. Whether the host was cut off before it was done."""
    doing = asyncio.create_task(work)
    stopped = asyncio.create_task(world.killer.stopped.wait())
    try:
        await asyncio.wait({doing, stopped}, return_when=asyncio.FIRST_COMPLETED)
        if world.killer.stopped.is_set():
            world.freeze()
            return True
        await doing
        return False
    finally:
        for task in (doing, stopped):
            task.cancel()
        await asyncio.gather(doing, stopped, return_exceptions=True)


def stop_at(world: World, step: Step, number: int) -> None:
    """Cut the host off as soon as that is in the journal."""
    assert world.hub is not None
    killer = world.killer

    def look(event: RotationStepped) -> None:
        if (event.step, event.round) == (step, number):
            killer.left = 0

    world.hub.on(RotationStepped, look)


async def come_to(world: World, step: Step, number: int) -> None:
    """Wait until the rotation is there; nobody is cut off."""
    assert world.hub is not None
    there = asyncio.Event()

    def look(event: RotationStepped) -> None:
        if (event.step, event.round) == (step, number):
            there.set()

    forget = world.hub.on(RotationStepped, look)
    async with asyncio.timeout(LONGEST):
        await there.wait()
    forget()


async def reach(world: World, step: Step, number: int) -> None:
    """Let the rotation go on until it is there; the host is dead then."""
    rotation = world.hub.rotation() if world.hub is not None else None
    assert rotation is not None
    if (rotation.progress.step, rotation.progress.round) == (step, number):
        world.killer.left = 0
    else:
        stop_at(world, step, number)
    assert await cut_off(world, rotation.ended())
    await world.die()
    journal = await world.journal()
    assert journal is not None
    assert (journal.step, journal.round) == (step, number)


def blanked(tokens: Tokens) -> None:
    tokens.forget_network(keep_counters=False)


def put_back(world: World, old: Tokens) -> None:
    """Somebody restores an old backup of the stick to it: flash is as it was then."""
    world.house.server.ncp.power_off()
    tokens = world.house.tokens
    before = copy.deepcopy(old)
    tokens.network, tokens.keys = before.network, before.keys
    tokens.nwk_counter, tokens.aps_counter = before.nwk_counter, before.aps_counter


@each_mode
def test_at_every_step_of_the_journal(tmp_path: Path, attached: bool) -> None:
    async def main() -> None:
        async with a_world(tmp_path, seed=3, attached=attached) as world:
            before = world.keys()
            await world.rotate(Way.UNICAST)
            for step, number in JOURNAL:
                await reach(world, step, number)
                await world.open()
            progress = await world.check(before)
            assert progress.outcome is Outcome.ROTATED
            assert not progress.stragglers
            assert not world.said

    simulated(main)


@pytest.mark.parametrize("shard", range(SHARDS))
def test_at_two_hundred_moments(tmp_path: Path, shard: int) -> None:
    async def main() -> None:
        chance = random.Random(f"crash {shard}")
        hits: Counter[str] = Counter()
        async with a_world(tmp_path, seed=shard, attached=shard % 4 == 3) as world:
            while hits.total() < MOMENTS:
                before, begun = world.keys(), asyncio.get_running_loop().time()
                world.killer.left = chance.randrange(STEPS) if chance.random() < STARTS else None
                died = await cut_off(world, world.rotate(chance.choice(WAYS)))
                while died or (hits.total() < MOMENTS and await goes_on(world, chance.randrange(STEPS))):
                    hits[where(world)] += 1
                    await world.die()
                    await world.house.sleep(chance.choice((0, 0, 3, 40)))
                    in_start = hits.total() < MOMENTS and chance.random() < STARTS
                    world.killer.left = chance.randrange(STEPS) if in_start else None
                    died = await cut_off(world, world.open())
                world.killer.left = None
                await world.check_if_begun(before, begun)
            assert not world.said
        # Most of them in a rotation, and not all in one place.
        assert hits.total() == MOMENTS
        assert sum(hits[place] for place in hits if place) > MOMENTS / 2
        assert len(hits) > 3

    simulated(main)


def where(world: World) -> str:
    """The step of the rotation that is under way, nothing where none is."""
    with suppress(HubsecError):
        rotation = world.hub.rotation() if world.hub is not None else None
        if rotation is not None:
            return f"{rotation.progress.step} {rotation.progress.round}"
    return ""


async def goes_on(world: World, steps: int) -> bool:
    """Let the rotation go on for so many steps. Whether the host was cut off then."""
    rotation = world.hub.rotation() if world.hub is not None else None
    if rotation is None:
        return False
    world.killer.left = steps
    return await cut_off(world, rotation.ended())


@each_mode
@pytest.mark.parametrize("unplugged", [False, True], ids=["reset", "unplugged"])
def test_the_stick_is_lost(tmp_path: Path, attached: bool, unplugged: bool) -> None:
    async def main() -> None:
        async with a_world(tmp_path, seed=5, attached=attached) as world:
            before = world.keys()
            await world.rotate(Way.UNICAST)
            for step, number in ((Step.SWITCHING, 1), (Step.DELIVERING, 2), (Step.CONFIRMING, 2)):
                await come_to(world, step, number)
                await world.lose_radio(unplugged=unplugged)
                await world.open()
            assert (await world.check(before)).outcome is Outcome.ROTATED

    simulated(main)


@pytest.mark.parametrize(
    ("step", "number"),
    [
        (Step.DELIVERING, 1),
        (Step.SWITCHING, 1),
        (Step.SWITCHED, 1),
        (Step.DELIVERING, 2),
        (Step.CONFIRMING, 2),
    ],
)
def test_the_sticks_storage_is_wiped(tmp_path: Path, step: Step, number: int) -> None:
    async def main() -> None:
        async with a_world(tmp_path, seed=7, attached=False) as world:
            before = world.keys()
            await world.rotate(Way.UNICAST)
            await reach(world, step, number)
            world.house.server.ncp.power_off()
            blanked(world.house.tokens)
            await world.open()
            progress = await world.check(before)
            assert progress.outcome is Outcome.ROTATED
            assert all(one.reason == OLD_BACKUP for one in world.said)

    simulated(main)


@pytest.mark.parametrize("step", [Step.DELIVERING, Step.CONFIRMING, Step.ENDED])
def test_an_old_backup_of_the_stick_is_restored(tmp_path: Path, step: Step) -> None:
    async def main() -> None:
        async with a_world(tmp_path, seed=9, attached=False) as world:
            before, old = world.keys(), copy.deepcopy(world.house.tokens)
            await world.rotate(Way.UNICAST)
            if step is Step.ENDED:
                await world.check(before)
                await world.die()
            else:
                await reach(world, step, 2)
            # A sleeper that looks for its parent while that has an old key may give the network up for good.
            sleepers = [member for member in world.members if isinstance(member, ContactSensor)]
            for sleeper in sleepers:
                sleeper.power_off()
            put_back(world, old)
            with pytest.raises(RadioError, match="bring_back"):
                await world.open()
            world.said.clear()
            await world._bury()
            await world.open(bring_back=True)
            for sleeper in sleepers:
                sleeper.power_on()
            progress = await world.check(before)
            assert progress.outcome is Outcome.ROTATED
            assert [one.repair for one in world.said] == [BROUGHT_BACK]
            assert list(progress.deliveries.values()).count(Delivery.LEFT_OUT) == 1

    simulated(main)

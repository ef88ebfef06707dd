"""The crash table: whatever happens to host or stick while the network key is changed, afterwards the network works,
the key of the records is the key on the air, every device is reachable or listed, and the rotation ends."""

from __future__ import annotations

import asyncio
import random
from pathlib import Path

import pytest

from hubsec.errors import RotationStopped
from hubsec.events import RotationStepped
from hubsec.rotation.shapes import Outcome, Step, Way
from hubsec_zigbee.repairing import LEFT_BEHIND
from hubsec_zigbee.restoring import OLD_BACKUP
from tests.zigbee.rotation.crashes import LONGEST, Moment, World, a_world, shown
from tests.zigbee.rotation.zygote import Zygote

pytestmark = [pytest.mark.hosts, pytest.mark.slow]

SHARDS, MOMENTS = 4, 50
"""Two hundred seeded moments in all."""
WAYS = (Way.UNICAST, Way.UNICAST, Way.BROADCAST)
ENTRIES = (0, 1, 1, 2)
"""How many entries of the journal a host sees before it is killed, the one that it finds among them: none in its
start."""
START, BACKUP, STEP = 145, 390, 12
"""Commands: of a host's start, of each of zigpy's backups, and, generously, of any other step."""
WORK = 0.015
"""Real seconds after a command within which it is: what a host does next of itself, with a commit or two."""
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
"""Every entry of a unicast rotation's journal that a host can be killed at."""
each_mode = pytest.mark.parametrize("attached", [False, True], ids=["own", "attached"])


@each_mode
def test_killed_at_every_step_of_the_journal(tmp_path: Path, zygote: Zygote, attached: bool) -> None:
    async def main() -> None:
        async with a_world(tmp_path, zygote, seed=3, attached=attached) as world:
            before = world.keys()
            for step, number in JOURNAL:
                await world.reach(step, number, Way.UNICAST)
            assert not await world.runs()
            await world.open()
            progress = await world.check(before)
            assert progress.outcome is Outcome.ROTATED
            assert not progress.stragglers
            assert not world.said

    shown(tmp_path, main)


@pytest.mark.parametrize("shard", range(SHARDS))
def test_killed_at_two_hundred_moments(tmp_path: Path, zygote: Zygote, shard: int) -> None:
    chance = random.Random(f"crash {shard}")

    def moment() -> Moment:
        entries = chance.choice(ENTRIES)
        commands = START if not entries else chance.choice((STEP, STEP, STEP, STEP, BACKUP))
        return Moment(entries, chance.randint(1, commands), chance.uniform(0, WORK))

    async def main() -> None:
        async with a_world(tmp_path, zygote, seed=shard, attached=shard % 2 == 1) as world:
            while world.killed.total() < MOMENTS:
                before, begun = world.keys(), asyncio.get_running_loop().time()
                way: Way | None = chance.choice(WAYS)
                while await world.runs(way, moment=moment() if world.killed.total() < MOMENTS else None):
                    await world.look_at_what_is_left()
                    way = None
                    await world.house.sleep(chance.choice((0, 0, 3, 40)))
                await world.open()
                await world.check_if_begun(before, begun)
                await world.close()
            assert not world.said
        # Most of them in a rotation, and not all in one place.
        assert world.killed.total() == MOMENTS
        assert sum(hits for place, hits in world.killed.items() if place) > MOMENTS / 2
        assert len(world.killed) > 3

    shown(tmp_path, main)


async def come_to(world: World, step: Step, number: int) -> None:
    """Wait until the rotation is there; nobody is killed."""
    rotation = world.hub.rotation()
    assert rotation is not None
    if (rotation.progress.step, rotation.progress.round) == (step, number):
        return
    there = asyncio.Event()

    def look(event: RotationStepped) -> None:
        if (event.step, event.round) == (step, number):
            there.set()

    forget = world.hub.on(RotationStepped, look)
    async with asyncio.timeout(LONGEST):
        await there.wait()
    forget()


@each_mode
def test_the_stick_resets_itself_or_is_unplugged(tmp_path: Path, zygote: Zygote, attached: bool) -> None:
    async def main() -> None:
        async with a_world(tmp_path, zygote, seed=5, attached=attached) as world:
            before = world.keys()
            await world.open()
            await world.rotate(Way.UNICAST)
            for step, number in ((Step.SWITCHING, 1), (Step.DELIVERING, 2), (Step.CONFIRMING, 2)):
                for unplugged in (False, True):
                    await come_to(world, step, number)
                    await world.lose_radio(unplugged=unplugged)
                    await world.open()
            assert (await world.check(before)).outcome is Outcome.ROTATED

    shown(tmp_path, main)


WIPED = (
    (Step.DELIVERING, 1),
    (Step.SWITCHING, 1),
    (Step.DELIVERING, 2),
    (Step.CONFIRMING, 2),
    (Step.SWITCHED, 1),
)
"""The last one may cost a sleeper, which is then listed: it looks for its parent while that has an old key."""


def test_the_sticks_storage_is_wiped(tmp_path: Path, zygote: Zygote) -> None:
    async def main() -> None:
        async with a_world(tmp_path, zygote, seed=7, attached=False) as world:
            for step, number in WIPED:
                before = world.keys()
                await world.reach(step, number, Way.UNICAST)
                world.blank_stick()
                await world.open()
                assert (await world.check(before)).outcome is Outcome.ROTATED
                await world.close()
            assert all(one.reason == OLD_BACKUP for one in world.said)

    shown(tmp_path, main)


def test_the_sticks_storage_is_wiped_while_hubsec_is_not_there(tmp_path: Path, zygote: Zygote) -> None:
    """zigpy restores the newest backup that it has. Where that is an old one, its database says so beforehand to
    whoever asks; to whoever does not, the rotation says it."""

    async def main() -> None:
        async with a_world(tmp_path, zygote, seed=7, attached=True) as world:
            for step, number in WIPED:
                before = world.keys()
                await world.reach(step, number, Way.UNICAST)
                world.blank_stick()
                foretold = await world.examined()
                world.said.clear()
                await world.open()
                if foretold == [LEFT_BEHIND]:
                    with pytest.raises(RotationStopped, match="newest backup"):
                        await world.ended()
                    assert len(world.said) == 1
                    await world.close()
                    await world.repair()
                    await world.open(bring_back=True)
                assert (await world.check(before)).outcome is Outcome.ROTATED
                await world.close()

    shown(tmp_path, main)

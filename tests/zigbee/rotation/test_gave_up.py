"""Sleepers that look for their parent while the stick has an old key: afterwards each is reachable, or listed."""

from __future__ import annotations

import copy
from pathlib import Path

import pytest

from hubsec.errors import RadioError
from hubsec.rotation.shapes import Way
from hubsec_emulated.devices.sensor import ContactSensor
from tests.zigbee.guarded import identity
from tests.zigbee.rotation.crashes import World, a_world, shown
from tests.zigbee.rotation.zygote import Zygote

pytestmark = [pytest.mark.hosts, pytest.mark.slow]

OLD_KEY_FOR = 600.0
"""Simulated seconds that the stick is on the old key: time enough for a sleeper to try everything."""


async def stragglers(world: World) -> set[str]:
    keys = (await world.hub.posture()).networks[0].keys
    assert keys is not None
    return set(keys.stragglers)


def test_a_sleeper_that_gave_the_network_up_is_listed(tmp_path: Path, zygote: Zygote) -> None:
    async def main() -> None:
        async with a_world(tmp_path, zygote, seed=9, attached=False) as world:
            before, old = world.keys(), copy.deepcopy(world.house.tokens)
            await world.open()
            await world.rotate(Way.UNICAST)
            await world.check(before)
            assert not await stragglers(world)
            await world.close()
            world.put_back_stick(old)
            with pytest.raises(RadioError, match="bring_back"):
                await world.open()
            await world.bury()
            (sleeper,) = [member for member in world.members if isinstance(member, ContactSensor)]
            sleeper.power_off()
            sleeper.power_on()
            await world.house.sleep(OLD_KEY_FOR)
            hub = await world.open(bring_back=True)
            everybody = {identity(member) for member in world.members}
            gone, others = identity(sleeper), everybody - {identity(sleeper)}
            listed = await stragglers(world)
            assert listed in (everybody, {gone}), "first everybody, then who does not answer"
            for _ in range(20):
                if await stragglers(world) == {gone}:
                    break
                await world.house.sleep(10)
            assert await stragglers(world) == {gone}
            assert not await world.reaches(sleeper)
            assert {identity(one) for one in world.members if await world.reaches(one)} == others
            (brought,) = [event for event in world.said if event.repaired]
            assert "re-joined with its install code" in brought.repair

            # What it says to do does it.
            sleeper.factory_reset()
            async with hub.admit(sleeper.sticker, name=sleeper.name) as admission:
                await admission.joined()
            await world.house.settled(600)
            assert await world.reaches(sleeper)
            assert not await stragglers(world)

    shown(tmp_path, main)

"""A hub on a network with unique link keys: who may come is counted, and who was evicted stays out for good."""

from __future__ import annotations

from pathlib import Path

import pytest

from hubsec import Hub, NotEnforceable, Refused
from hubsec.rotation.machine import Pace
from hubsec.rotation.shapes import Delivery, Outcome, Way
from hubsec.rotation.triggers import Rotating
from hubsec_emulated import House
from hubsec_emulated.ncp.policies import JoinPolicy
from hubsec_zigbee import Bellows
from tests.zigbee.guarded import FAST, SCALE, identity

pytestmark = pytest.mark.hosts


@pytest.mark.slow
async def test_an_evicted_device_is_rotated_out_of_a_network_whose_table_had_room_for_two(
    tmp_path: Path,
) -> None:
    async with House(seed=4, scale=SCALE, key_table_capacity=2) as house:
        radio = Bellows(house.url, config={"network": {"channel": 15}}, limits=FAST, link_keys="unique")
        rotating = Rotating(pace=Pace().scaled(SCALE))
        async with Hub(radio, policy="home", home=tmp_path / "hub", rotating=rotating) as hub:
            lamp, evictee, third = house.lamp(), house.evictee(), house.lamp()
            for device in (lamp, evictee):
                async with hub.admit(device.sticker, name=device.name) as admission:
                    device.power_on()
                    await admission.joined()
                await house.wait_until(lambda now=device: now.trust_center_link_key_verified, 60)
            with pytest.raises(NotEnforceable, match="keeps 2 link keys"):
                async with hub.admit(third.sticker, name="Third"):
                    pytest.fail("there is no place for it")

            eviction = await hub.evict(evictee.sticker.partition("$")[0].removeprefix("Z:"))
            assert "Its link key was erased." in eviction.detail
            await house.wait_until(lambda: evictee.gone, 60)
            rotation = await hub.rotate(way=Way.UNICAST, anyway=True)
            ended = await rotation.ended()
            assert ended.outcome is Outcome.ROTATED
            assert set(ended.deliveries.values()) == {Delivery.CONFIRMED}
            switched = house.clock.now()

            evictee.sneak_in()
            evictee.switch(lamp)
            evictee.take_over(lamp)
            await house.sleep(10)
            house.server.ncp.trust_center.policy |= JoinPolicy.ALLOW_UNSECURED_REJOINS
            evictee.come_back(secured=False)
            await house.sleep(30)
            assert evictee.read(switched) == 0
            assert not evictee.loot
            assert not lamp.is_on

            async with hub.admit(third.sticker, name="Third") as admission:  # There is a place again.
                third.power_on()
                await admission.joined()
            await house.settled()


@pytest.mark.slow
async def test_a_straggler_is_taken_back_and_who_was_left_out_is_not(tmp_path: Path) -> None:
    async with House(seed=4, scale=SCALE) as house:
        radio = Bellows(house.url, config={"network": {"channel": 15}}, limits=FAST, link_keys="unique")
        rotating = Rotating(pace=Pace().scaled(SCALE), patience=60 / SCALE)
        policy = tmp_path / "policy.yaml"
        policy.write_text("policy: verified\nrejoining: {unsecured: verified}\n")
        async with Hub(radio, policy=policy, home=tmp_path / "hub", rotating=rotating) as hub:
            lamp, sensor, other = house.lamp(), house.sensor(), house.lamp()
            for device in (lamp, sensor, other):
                async with hub.admit(device.sticker, name=device.name) as admission:
                    device.power_on()
                    await admission.joined()
                await house.wait_until(lambda now=device: now.trust_center_link_key_verified, 60)
            await house.settled(600)
            sensor.power_off()
            rotation = await hub.rotate(way=Way.UNICAST, leave_out=[identity(other)], anyway=True)
            assert (await rotation.ended()).stragglers == (identity(sensor),)

            assert await hub.take_back() == (identity(sensor),)
            other.rejoin(secured=False)
            sensor.power_on()
            policies = house.server.ncp.trust_center
            await house.wait_until(lambda: policies.policy == 0, 600, what="everybody to be back")
            assert sensor.network_key == lamp.network_key == house.coordinator.keys.key
            assert house.coordinator.keys.key not in other.keys.all().values()
            keys = (await hub.posture()).networks[0].keys
            assert keys is not None
            assert not keys.stragglers
            with pytest.raises(Refused, match="Nobody is awaited"):
                await hub.take_back()

"""Whole joins under a hub with the policy `home`, on the emulated air."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from hubsec import Hub, Mark
from hubsec.events import Denied, Evicted, IdentityPinned
from hubsec_emulated import House
from hubsec_zigbee import Bellows

pytestmark = pytest.mark.hosts


async def test_a_lock_joins_and_is_known_as_one(tmp_path: Path) -> None:
    async with (
        House(seed=1) as house,
        Hub(
            Bellows(house.url, config={"network": {"channel": 15}}), policy="home", home=tmp_path / "hub"
        ) as hub,
    ):
        put_out: list[Evicted] = []
        pinned: list[IdentityPinned] = []
        hub.on(Evicted, put_out.append)
        hub.on(IdentityPinned, pinned.append)
        lock = house.lock()
        async with hub.admit(lock.sticker, name="Front door") as admission:
            lock.power_on()
            device = await admission.joined()
        await house.wait_until(lambda: pinned, 60)
        assert pinned[0].device_class == "lock"
        assert Mark.WEAK not in device.security.marks
        assert not put_out
        assert lock.trust_center_link_key_verified
        await house.settled()


@pytest.mark.parametrize(("status", "decision"), [(1, 2), (3, 2), (1, 0)])
async def test_who_is_refused_while_adoption_waits_is_not_on_the_list_to_confirm(
    tmp_path: Path, status: int, decision: int
) -> None:
    def stick() -> Bellows:
        return Bellows(house.url, config={"network": {"channel": 15}})

    async with House(seed=1) as house:
        async with Hub(stick(), policy="home", home=tmp_path / "before"):
            pass
        async with Hub(radio := stick(), policy="home", home=tmp_path / "lost") as hub:
            refused: list[Denied] = []
            hub.on(Denied, refused.append)
            somebody = type(radio.app.state.node_info.ieee)([9] * 8)
            # Nobody needs a key to ask, in whatever name.
            radio.guard.received("trustCenterJoinHandler", [0x1234, somebody, status, decision, 0])
            await house.wait_until(lambda: refused, 60)
            await asyncio.sleep(0.05)  # What follows from it for the device.
            (network,) = (await hub.posture()).networks
            assert not network.adopted
            assert network.unconfirmed == ()

"""Whole joins under a hub with the policy `home`, on the emulated air."""

from __future__ import annotations

from pathlib import Path

import pytest

from hubsec import Hub, Mark
from hubsec.events import Evicted, IdentityPinned
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

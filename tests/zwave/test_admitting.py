"""What `hub.admit` does on Z-Wave: it begins the inclusion, grants what the policy grants, and types the PIN."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from hubsec.errors import AdmissionEnded
from hubsec.events import Denied, IdentityPinned, Joined, KeySent, RemovalAwaited
from hubsec.identity import SecurityClass, Standing, zwave_identity

if TYPE_CHECKING:
    from hubsec_emulated import ZWaveHouse
    from tests.zwave.guarded import Guarded


async def test_a_lamp_comes_in_by_its_dsk(zwave_house: ZWaveHouse, guarded: Guarded) -> None:
    lamp = zwave_house.lamp()
    device = await guarded.admit(lamp)
    assert device == zwave_identity(lamp.dsk)
    entry = guarded.hub.allowlist[device]
    assert entry.address == guarded.address(lamp.node_id or 0)
    assert entry.pinned is not None
    assert entry.pinned.security_class is SecurityClass.S2_AUTHENTICATED
    assert lamp.keys_held == {"S2_Authenticated"}
    [sent], [joined] = guarded.of(KeySent), guarded.of(Joined)
    assert guarded.told.index(sent) < guarded.told.index(joined)
    pinned = await guarded.event(IdentityPinned)
    assert (pinned.device_class, pinned.manufacturer) == ("lamp", "0xffff")
    posture = (await guarded.hub.posture()).networks[0].state
    assert posture.closed
    assert posture.open_to == ()


async def test_of_what_a_device_asks_for_nothing_below_the_policy_is_granted(
    zwave_house: ZWaveHouse, guarded: Guarded
) -> None:
    """It asks for everything; its frame says that it is a lock, though its entry does not."""
    lock = zwave_house.lock(requests=("S2_AccessControl", "S2_Authenticated", "S2_Unauthenticated"))
    await guarded.admit(lock)
    assert lock.keys_held == {"S2_AccessControl"}


async def test_a_device_that_asks_for_too_little_gets_nothing(
    zwave_house: ZWaveHouse, guarded: Guarded
) -> None:
    lock = zwave_house.lock(requests=("S2_Authenticated", "S2_Unauthenticated"))
    async with guarded.hub.admit(lock.dsk, name="Front door", device_class="lock") as admission:
        lock.press_button()
        denied = await guarded.event(Denied)
        assert denied.rule == "security-class"
        await guarded.event(RemovalAwaited)
        assert admission.outcome is None
    assert lock.node_id is not None
    assert guarded.is_shut_off(lock.node_id)
    assert not lock.keys_held


async def test_two_admissions_at_once_take_both(zwave_house: ZWaveHouse, guarded: Guarded) -> None:
    lamp, plug = zwave_house.lamp(), zwave_house.plug()
    async with (
        guarded.hub.admit(lamp.dsk, name="Lamp") as first,
        guarded.hub.admit(plug.dsk, name="Plug") as second,
    ):
        lamp.press_button()
        async with asyncio.timeout(20):
            await first.joined()
        plug.press_button()
        async with asyncio.timeout(20):
            await second.joined()
    assert {device.name for device in guarded.hub.devices()} == {"Lamp", "Plug"}


async def test_a_smart_start_device_comes_by_itself(zwave_house: ZWaveHouse, guarded: Guarded) -> None:
    lamp = zwave_house.lamp()
    async with guarded.hub.admit(lamp.sticker, name="Lamp") as admission:
        lamp.power_on()
        async with asyncio.timeout(20):
            device = await admission.joined()
    assert device.security.standing is Standing.APPROVED
    assert lamp.keys_held == {"S2_Authenticated"}


async def test_a_stranger_in_an_open_inclusion_gets_no_key_and_is_shut_off(
    zwave_house: ZWaveHouse, guarded: Guarded
) -> None:
    lamp, stranger = zwave_house.lamp(), zwave_house.lamp(name="stranger")
    async with guarded.hub.admit(lamp.dsk, name="Lamp") as admission:
        stranger.press_button()
        denied = await guarded.event(Denied)
        assert denied.rule == "no-entry"
        await guarded.event(RemovalAwaited)
        lamp.press_button()
        async with asyncio.timeout(20):
            await admission.joined()
    assert stranger.node_id is not None
    assert guarded.is_shut_off(stranger.node_id)
    assert not stranger.keys_held
    assert lamp.keys_held


async def test_an_admission_that_nobody_uses_closes_the_controller(
    zwave_house: ZWaveHouse, guarded: Guarded
) -> None:
    lamp = zwave_house.lamp()
    async with guarded.hub.admit(lamp.dsk, name="Lamp") as admission:
        assert not (await guarded.hub.posture()).networks[0].state.closed
    with pytest.raises(AdmissionEnded):
        await admission.joined()
    assert (await guarded.hub.posture()).networks[0].state.closed
    lamp.press_button()
    await zwave_house.settle()
    assert lamp.node_id is None

"""SmartStart: who is on the list is let in, nobody else; and what becomes of one who only says it is."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from hubsec_emulated import ZWaveHouse
    from tests.emulated.zwave.host import Host

pytestmark = pytest.mark.slow

INACTIVE = 1


async def test_a_provisioned_device_comes_in_by_itself(zwave_house: ZWaveHouse, host: Host) -> None:
    lock = zwave_house.lock()
    await host.command("controller.provision_smart_start_node", entry=lock.sticker)
    lock.power_on()
    added = await host.event("node added")
    assert added["result"] == {"lowSecurity": False}
    assert await host.highest(added["node"]["nodeId"]) == "S2_AccessControl"
    await zwave_house.wait_until(lambda: lock.keys_held == {"S2_AccessControl"})
    assert lock.keys["S2_AccessControl"] == zwave_house.keys["S2_AccessControl"]
    assert host.of("grant security classes") == host.of("validate dsk and enter pin") == []
    await host.ready(2)
    lock.power_off()
    lock.power_on()
    await zwave_house.settle()
    assert lock.node_id == 2
    assert len(host.of("node added")) == 1


async def test_an_entry_s_classes_are_a_limit(zwave_house: ZWaveHouse, host: Host) -> None:
    lamp = zwave_house.lamp()
    entry = {"dsk": lamp.dsk, "securityClasses": [0]}
    await host.command("controller.provision_smart_start_node", entry=entry)
    lamp.power_on()
    await host.event("node added")
    await zwave_house.wait_until(lambda: lamp.keys_held == {"S2_Unauthenticated"})


async def test_a_device_that_nobody_provisioned_stays_out(zwave_house: ZWaveHouse, host: Host) -> None:
    lamp, other, off = zwave_house.lamp(), zwave_house.lamp(), zwave_house.lamp()
    await host.command("controller.provision_smart_start_node", entry=other.sticker)
    entry = {"dsk": off.dsk, "securityClasses": [0, 1], "status": INACTIVE}
    await host.command("controller.provision_smart_start_node", entry=entry)
    zwave_house.record()
    lamp.power_on()
    off.power_on()
    await zwave_house.wait_until(lambda: len(primes(zwave_house)) >= 2, what="The primes")
    await zwave_house.settle()
    assert lamp.node_id is off.node_id is None
    assert host.of("node found") == []


def primes(house: ZWaveHouse) -> list[bytes]:
    """Inclusion requests that the controller told its host of (INS12350, application update 0x85)."""
    return [frame.data for frame in house.recording if not frame.from_host and frame.data[3:5] == b"\x49\x85"]


async def test_a_device_asks_again_until_it_is_let_in(zwave_house: ZWaveHouse, host: Host) -> None:
    lamp = zwave_house.lamp()
    lamp.power_on()
    await zwave_house.settle()
    assert lamp.node_id is None
    await host.command("controller.provision_smart_start_node", entry=lamp.sticker)
    await host.event("node added", seconds=5)
    await zwave_house.wait_until(lambda: lamp.keys_held)


async def test_an_impostor_gets_no_key_and_stays_as_an_insecure_node(
    zwave_house: ZWaveHouse, host: Host
) -> None:
    lamp = zwave_house.lamp()
    impostor = zwave_house.impostor(lamp)
    await host.command("controller.provision_smart_start_node", entry=lamp.sticker)
    impostor.power_on()
    added = await host.event("node added")
    assert added["result"] == {"lowSecurity": True, "lowSecurityReason": 0}
    assert await host.highest(added["node"]["nodeId"]) == "none"
    assert impostor.node_id == added["node"]["nodeId"]
    assert impostor.keys_held == frozenset()
    assert lamp.node_id is None


async def test_a_proper_device_that_is_refused_leaves_and_asks_anew(
    zwave_house: ZWaveHouse, host: Host
) -> None:
    """Its entry has its home IDs and the DSK of somebody else: a sticker that was read wrongly."""
    lamp = zwave_house.lamp()
    groups = lamp.dsk.split("-")
    wrong = "-".join([f"{(int(groups[0]) + 1) % 0x10000:05}", *groups[1:]])
    await host.command(
        "controller.provision_smart_start_node", entry={"dsk": wrong, "securityClasses": [0, 1]}
    )
    zwave_house.record()
    lamp.power_on()
    await host.event("node found")
    await zwave_house.wait_until(lambda: lamp.node_id is None and len(primes(zwave_house)) >= 2)
    assert lamp.keys_held == frozenset()

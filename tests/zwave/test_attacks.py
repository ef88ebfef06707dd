"""What an attacker does, and what a host is told of it: frames on the air, and other clients of the same server."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Final

import pytest

from hubsec.events import Drifted, Joined, JoinFailed, Left, OpenRefused, RemovalAwaited
from hubsec.identity import zwave_identity
from hubsec.requests import OpenKind
from tests.emulated.zwave.host import connected
from tests.zwave.guarded import DEFAULT, INSECURE, S0, S2, stage

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from hubsec_emulated import ZWaveHouse
    from hubsec_emulated.zwave.device import ZWaveDevice
    from tests.zwave.guarded import Guarded, HostClient

CLASSIC: Final = {"strategy": DEFAULT}
NOTHING: Final = "nothing"
VALUE: Final = "a value"

# Frames on the air, under the id of a node that is quarantined where there is a guard

FRAMES: Final[dict[str, tuple[Callable[[ZWaveHouse, ZWaveDevice, ZWaveDevice], None], str]]] = {
    "report under a plain node's id": (
        lambda house, plain, lamp: house.attacker.spoof_report(plain, 77),
        VALUE,
    ),
    "report of a plain node": (lambda house, plain, lamp: plain.report(77), VALUE),
    "plain report under an S2 node's id": (
        lambda house, plain, lamp: house.attacker.spoof_report(lamp, 77),
        NOTHING,
    ),
    "exact replay": (lambda house, plain, lamp: house.attacker.replay(lamp), NOTHING),
    "replay with a new number": (lambda house, plain, lamp: house.attacker.replay(lamp, fresh=True), NOTHING),
    "bad tag": (lambda house, plain, lamp: house.attacker.bad_tag(lamp), NOTHING),
    "forged reset of an S2 node": (lambda house, plain, lamp: house.attacker.forged_reset(lamp), NOTHING),
    "report of an unknown node": (lambda house, plain, lamp: house.attacker.unknown_node(), NOTHING),
}
"""What is sent, and what an unguarded host is told of it. A guarded one is told nothing of any."""


@pytest.mark.parametrize("name", ["unguarded", "attach", "gate"])
async def test_what_frames_of_a_quarantined_node_tell_the_host(
    zwave_house: ZWaveHouse, tmp_path: Path, name: str
) -> None:
    house = zwave_house
    async with stage(name, house, tmp_path) as stood, connected(house) as other:
        lamp, plain = house.lamp(), house.lamp(security="none", name="plain")
        if stood.guarded is None:
            stood.host.pin = lamp.pin
            for device in (lamp, plain):
                stood.host.forget()
                await stood.host.command("controller.begin_inclusion", options=CLASSIC)
                device.press_button()
                await stood.host.event("node added")
        else:
            await stood.guarded.admit(lamp)
            other.grant = False
            async with stood.guarded.hub.admit(house.lamp(name="awaited").dsk, name="Awaited"):
                plain.press_button()
                await stood.guarded.event(RemovalAwaited)
        await house.settle()
        lamp.report(5)
        await house.wait_until(lambda: stood.host.value(lamp.node_id or 0) == 5)
        for attack, (send, unguarded) in FRAMES.items():
            stood.host.forget()
            send(house, plain, lamp)
            await house.settle()
            await stood.host.command("driver.get_log_config")  # what was told before is here with the answer
            told = [event["event"] for event in stood.host.events if event["event"] in VALUES]
            assert (VALUE if told else NOTHING) == (unguarded if name == "unguarded" else NOTHING), attack
            plain.report(1)  # so that what is told next is told anew
            await house.settle()
            await stood.host.command("driver.get_log_config")
        assert stood.host.value(lamp.node_id or 0) == 5
        assert lamp.node_id in stood.host.controller.nodes


VALUES: Final = {"value added", "value updated", "value removed", "notification", "value notification"}

# A host under the guard


@pytest.mark.parametrize(
    ("command", "arguments", "kind"),
    [
        ("controller.begin_inclusion", {"options": {"strategy": INSECURE}}, OpenKind.INSECURE_INCLUSION),
        ("controller.begin_inclusion", {"options": {"strategy": S0}}, OpenKind.INSECURE_INCLUSION),
        (
            "controller.replace_failed_node",
            {"nodeId": 2, "options": {"strategy": INSECURE}},
            OpenKind.INSECURE_INCLUSION,
        ),
        ("driver.hard_reset", {}, OpenKind.TAKEOVER),
        ("controller.begin_joining_network", {}, OpenKind.TAKEOVER),
        ("controller.begin_leaving_network", {}, OpenKind.TAKEOVER),
        ("controller.restore_nvm", {"nvmData": "AAAA"}, OpenKind.RESTORE),
        ("controller.restore_nvm_raw", {"nvmData": "AAAA"}, OpenKind.RESTORE),
    ],
)
async def test_a_host_does_not_take_the_controller_past_the_policy(
    host: HostClient, guard: Guarded, command: str, arguments: dict[str, Any], kind: OpenKind
) -> None:
    await host.refused(command, **arguments)
    told = await guard.event(OpenRefused)
    assert (told.kind, told.asker, told.enforced) == (kind, "host", True)
    assert (await guard.hub.posture()).networks[0].state.closed


async def test_a_host_neither_answers_nor_ends_hubsecs_inclusion(
    zwave_house: ZWaveHouse, host: HostClient, guard: Guarded
) -> None:
    lamp = zwave_house.lamp()
    async with guard.hub.admit(lamp.dsk, name="Lamp") as admission:
        await host.refused("controller.stop_inclusion")
        await host.refused("controller.begin_inclusion", options=CLASSIC)
        await host.refused("controller.begin_exclusion")
        await host.refused("controller.grant_security_classes", inclusionGrant={"securityClasses": [0]})
        await host.refused("controller.validate_dsk_and_enter_pin", pin="00001")
        await host.refused("controller.cancel_secure_bootstrap_s2", reason=6)
        lamp.press_button()
        async with asyncio.timeout(20):
            await admission.joined()


async def test_a_device_that_a_host_lets_in_is_on_the_allowlist_by_its_word(
    zwave_house: ZWaveHouse, host: HostClient, guard: Guarded
) -> None:
    lamp = zwave_house.lamp()
    host.pin = lamp.pin
    await host.command("controller.begin_inclusion", options={"strategy": S2})
    lamp.press_button()
    await host.event("node added", None)
    entry = guard.hub.allowlist[zwave_identity(lamp.dsk)]
    assert entry.approved_by == "host"
    assert host.of("node added")[0]["node"]["nodeId"] == lamp.node_id


async def test_a_host_that_names_the_dsk_with_its_inclusion_is_not_asked_again(
    zwave_house: ZWaveHouse, host: HostClient, guard: Guarded
) -> None:
    lamp = zwave_house.lamp()
    await host.command("controller.begin_inclusion", options={"strategy": S2, "provisioning": lamp.sticker})
    lamp.press_button()
    await guard.event(Joined)
    assert lamp.keys_held == {"S2_Authenticated"}
    assert not host.of("grant security classes")


async def test_a_wrong_pin_of_a_host_leaves_the_device_quarantined_and_no_entry(
    zwave_house: ZWaveHouse, host: HostClient, guard: Guarded
) -> None:
    lamp = zwave_house.lamp()
    host.pin = "00001" if lamp.pin != "00001" else "00002"
    await host.command("controller.begin_inclusion", options={"strategy": S2})
    lamp.press_button()
    await guard.event(JoinFailed)
    await guard.event(RemovalAwaited)
    assert guard.is_shut_off(lamp.node_id or 0)
    await guard.until(lambda: zwave_identity(lamp.dsk) not in guard.hub.allowlist, "No entry")
    assert not host.of("node added")


async def test_a_host_provisions_and_the_entry_is_hubsecs_too(
    zwave_house: ZWaveHouse, host: HostClient, guard: Guarded
) -> None:
    lamp = zwave_house.lamp()
    await host.command("controller.provision_smart_start_node", entry=lamp.sticker)
    lamp.power_on()
    await guard.event(Joined)
    assert guard.hub.allowlist[zwave_identity(lamp.dsk)].smart_start
    assert lamp.keys_held == {"S2_Authenticated"}
    await host.refused("controller.unprovision_smart_start_node", dskOrNodeId=lamp.dsk)


async def test_a_host_excludes_a_device_and_hubsec_keeps_its_entry(
    zwave_house: ZWaveHouse, host: HostClient, guard: Guarded
) -> None:
    lamp = zwave_house.lamp()
    device = await guard.admit(lamp)
    await host.command("controller.begin_exclusion")
    lamp.press_button()
    assert (await guard.event(Left)).device == device
    await guard.until(lambda: guard.hub.allowlist[device].address is None, "The address of one that left")
    await host.command("controller.stop_exclusion")
    assert await guard.admit(lamp) == device


async def test_a_replacement_that_does_not_begin_keeps_nobody_busy(
    zwave_house: ZWaveHouse, host: HostClient, guard: Guarded
) -> None:
    lamp, plug = zwave_house.lamp(), zwave_house.plug()
    await guard.admit(lamp)
    await host.refused("controller.replace_failed_node", nodeId=lamp.node_id, options={"strategy": S2})
    await guard.until(lambda: guard.radio._guard.including.inclusion is None, "An end of waiting")
    await guard.admit(plug)


# Another client of the server, past the guard


async def test_somebody_elses_provisioning_is_stopped_and_told(
    zwave_house: ZWaveHouse, guarded: Guarded
) -> None:
    lamp = zwave_house.lamp()
    async with connected(zwave_house) as other:
        await other.command("controller.provision_smart_start_node", entry=lamp.sticker)
        told = await guarded.event(Drifted)
        assert (told.device, told.found, told.restored) == (zwave_identity(lamp.dsk), "active", True)
        lamp.power_on()
        await zwave_house.settle()
        assert lamp.node_id is None
        [entry] = (await other.command("controller.get_provisioning_entries"))["entries"]
        assert entry["status"] == 1


async def test_somebody_ends_hubsecs_inclusion_and_it_begins_again(
    zwave_house: ZWaveHouse, guarded: Guarded
) -> None:
    lamp = zwave_house.lamp()
    async with guarded.hub.admit(lamp.dsk, name="Lamp") as admission:
        async with connected(zwave_house) as other:
            await other.command("controller.stop_inclusion")
            await other.event("inclusion started")
        lamp.press_button()
        async with asyncio.timeout(20):
            await admission.joined()


@pytest.mark.parametrize(
    ("command", "arguments"),
    [
        ("controller.validate_dsk_and_enter_pin", {"pin": "00001"}),
        ("controller.validate_dsk_and_enter_pin", {"pin": False}),
        ("controller.grant_security_classes", {"inclusionGrant": False}),
        (
            "controller.grant_security_classes",
            {"inclusionGrant": {"securityClasses": [0], "clientSideAuth": False}},
        ),
        ("controller.cancel_secure_bootstrap_s2", {"reason": 6}),
    ],
    ids=["wrong PIN", "no PIN", "no grant", "lesser grant", "cancelled"],
)
async def test_somebody_answers_for_hubsec(
    zwave_house: ZWaveHouse, guarded: Guarded, command: str, arguments: dict[str, Any]
) -> None:
    """Who answers first is heard. A device that is in by a stranger's answer is in by policy, or shut off."""
    lamp = zwave_house.lamp()
    device = zwave_identity(lamp.dsk)
    async with connected(zwave_house) as other, guarded.hub.admit(lamp.dsk, name="Lamp") as admission:

        async def interfere() -> None:
            while True:
                try:
                    await other.command(command, **arguments)
                except Exception:  # noqa: BLE001 - it is not asked yet, or no more
                    await asyncio.sleep(0)

        interfering = asyncio.create_task(interfere())
        lamp.press_button()
        await guarded.until(
            lambda: admission.outcome is not None or guarded.of(RemovalAwaited), "An end of the inclusion"
        )
        interfering.cancel()
        await asyncio.gather(interfering, return_exceptions=True)
    await zwave_house.settle()
    node_id = lamp.node_id or 0
    if guarded.of(Joined):
        assert lamp.keys_held == {"S2_Authenticated"}
        assert not guarded.is_shut_off(node_id)
    else:
        assert guarded.is_shut_off(node_id)
        entry = guarded.hub.allowlist.get(device)
        assert entry is None or entry.address is None


async def test_an_impostor_by_smart_start_ends_in_quarantine(
    zwave_house: ZWaveHouse, guarded: Guarded
) -> None:
    lamp = zwave_house.lamp()
    impostor = zwave_house.impostor(lamp)
    async with guarded.hub.admit(lamp.sticker, name="Lamp") as admission:
        impostor.power_on()
        await guarded.event(RemovalAwaited)
        assert admission.outcome is None
    assert impostor.node_id is not None
    assert guarded.is_shut_off(impostor.node_id)
    assert not impostor.keys_held


async def test_a_smart_start_device_comes_only_while_its_admission_is_open(
    zwave_house: ZWaveHouse, guarded: Guarded
) -> None:
    lamp = zwave_house.lamp()
    async with guarded.hub.admit(lamp.sticker, name="Lamp"):
        pass
    lamp.power_on()
    await zwave_house.settle()
    assert lamp.node_id is None
    assert (await guarded.hub.posture()).networks[0].state.closed

"""A quarantine is real: nothing of the node reaches whoever is guarded, nothing goes to it, and it goes on until the
node has left."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Final

import pytest
from zwave_js_server.exceptions import FailedCommand

from hubsec.errors import NotEnforceable, Quarantined, Refused
from hubsec.events import Evicted, Joined, Left, RemovalAwaited
from hubsec.events import Quarantined as QuarantinedEvent
from hubsec.identity import Standing
from hubsec_emulated.errors import NotInTimeError
from hubsec_emulated.zwave.device import ZWaveDevice
from hubsec_zwave import CommandRefused
from tests.emulated.zwave.host import connected
from tests.zwave.guarded import INSECURE, attached, host_client, own

if TYPE_CHECKING:
    from pathlib import Path

    from hubsec_emulated import ZWaveHouse
    from tests.zwave.guarded import Guarded, HostClient

VALUE = {"commandClass": 38, "property": "targetValue", "endpoint": 0}
PRESSES: Final = 6


async def stranger_in(guarded: Guarded, *, name: str = "stranger") -> ZWaveDevice:
    """A device without any security that came in while a lamp was awaited; it is quarantined."""
    house = guarded.house
    stranger = house.lamp(security="none", name=name)
    async with guarded.hub.admit(house.lamp(name=f"awaited instead of {name}").dsk, name="Lamp"):
        stranger.press_button()
        await guarded.event(RemovalAwaited, lambda event: event.excluding_until is None)
    await guarded.event(RemovalAwaited, lambda event: event.excluding_until is not None)
    assert stranger.node_id is not None
    return stranger


async def test_the_host_hears_nothing_of_it_and_no_command_reaches_it(
    zwave_house: ZWaveHouse, host: HostClient, guard: Guarded
) -> None:
    stranger = await stranger_in(guard)
    node_id = stranger.node_id or 0
    stranger.report(50)
    zwave_house.attacker.spoof_report(stranger, 60)
    await zwave_house.settle()
    assert not [
        event
        for event in host.events
        # That somebody is coming in is told: nobody can have judged it yet.
        if event["event"] != "node found"
        and node_id in (event.get("nodeId"), event.get("node", {}).get("nodeId"))
    ]
    assert node_id not in host.controller.nodes
    error = await host.refused("node.set_value", nodeId=node_id, valueId=VALUE, value=10)
    assert isinstance(error, CommandRefused)
    assert isinstance(error, Refused)
    assert error.rule == "quarantine"
    await host.refused("node.ping", nodeId=node_id)
    await host.refused("node.get_state", nodeId=node_id)
    assert stranger.state == 50
    with pytest.raises(Quarantined):
        guard.radio.node(guard.address(node_id))


async def test_broadcast_and_multicast_do_not_reach_it(
    zwave_house: ZWaveHouse, host: HostClient, guard: Guarded
) -> None:
    lamp = zwave_house.lamp()
    await guard.admit(lamp)
    whole = {"commandClass": 38, "valueId": VALUE, "value": 10}
    stranger = await stranger_in(guard)
    await host.refused("broadcast_node.set_value", valueId=VALUE, value=10)
    await host.refused(
        "multicast_group.set_value", nodeIDs=[lamp.node_id, stranger.node_id], valueId=VALUE, value=10
    )
    await host.refused(
        "controller.add_associations",
        sourceOrAny=1,
        nodeId=lamp.node_id,
        group=1,
        associations=[{"nodeId": stranger.node_id}],
    )
    await host.command("node.set_value", nodeId=lamp.node_id, valueId=VALUE, value=whole["value"])
    await zwave_house.wait_until(lambda: lamp.state == 10)
    assert stranger.state == 0


async def test_it_leaves_by_its_button_and_that_is_told(
    zwave_house: ZWaveHouse, host: HostClient, guard: Guarded
) -> None:
    stranger = await stranger_in(guard)
    address = guard.address(stranger.node_id or 0)
    assert (await guard.hub.posture()).networks[0].state.leaving == (address,)
    # The controller is not listening for buttons at every moment; whoever presses one presses again.
    for _ in range(PRESSES):
        stranger.press_button()
        with suppress(NotInTimeError):
            await zwave_house.wait_until(lambda: stranger.node_id is None, 5)
            break
    evicted = await guard.event(Evicted)
    assert (evicted.device, evicted.confirmed, evicted.still_holds_network_key) == (address, True, False)
    assert address not in guard.hub.allowlist
    assert (await guard.hub.posture()).networks[0].state.leaving == ()
    assert not host.of("node removed")  # It was never told that it is there.


async def test_it_is_struck_off_once_it_is_silent(zwave_house: ZWaveHouse, guarded: Guarded) -> None:
    stranger = await stranger_in(guarded)
    stranger.power_off()
    await guarded.event(Evicted)
    assert guarded.address(stranger.node_id or 0) not in guarded.hub.allowlist


async def test_a_living_one_is_not_evicted_and_that_is_said(guarded: Guarded) -> None:
    stranger = await stranger_in(guarded)
    address = guarded.address(stranger.node_id or 0)
    eviction = await guarded.hub.evict(address)
    assert (eviction.confirmed, eviction.awaited) == (False, True)
    assert "living" in eviction.detail
    assert not guarded.of(Evicted)
    assert guarded.is_shut_off(stranger.node_id or 0)


async def test_it_outlasts_the_hub_and_so_does_the_removal(zwave_house: ZWaveHouse, tmp_path: Path) -> None:
    async with own(zwave_house, tmp_path) as guarded:
        stranger = await stranger_in(guarded)
        address = guarded.address(stranger.node_id or 0)
        reason = guarded.hub.allowlist[address].quarantined
    async with own(zwave_house, tmp_path) as guarded:
        assert guarded.hub.allowlist[address].quarantined == reason
        assert guarded.is_shut_off(stranger.node_id or 0)
        assert (await guarded.hub.posture()).networks[0].state.leaving == (address,)
        stranger.power_off()
        await guarded.event(Evicted)


async def test_who_left_while_the_hub_was_closed_is_forgotten(
    zwave_house: ZWaveHouse, tmp_path: Path
) -> None:
    async with own(zwave_house, tmp_path) as guarded:
        stranger = await stranger_in(guarded)
        address = guarded.address(stranger.node_id or 0)
    async with host_client(zwave_house) as host:
        await host.command("controller.begin_exclusion", options={"strategy": 0})
        stranger.press_button()
        await host.event("node removed")
    async with own(zwave_house, tmp_path) as guarded:
        assert address not in guarded.hub.allowlist
        assert (await guarded.hub.posture()).networks[0].state.leaving == ()


async def test_who_attaches_again_is_not_shown_it_either(zwave_house: ZWaveHouse, tmp_path: Path) -> None:
    async with own(zwave_house, tmp_path) as guarded:
        stranger = await stranger_in(guarded)
    async with host_client(zwave_house) as host:
        node_id = stranger.node_id or 0
        assert host.controller.nodes[node_id].status.name == "ALIVE"
        async with attached(zwave_house, host.client, tmp_path) as guard:
            await guard.until(lambda: host.controller.nodes[node_id].status.name == "DEAD", "Its death")
            host.forget()
            stranger.report(50)
            await zwave_house.settle()
            assert not host.of("value updated")
        stranger.report(60)
        await host.event("value updated")


async def test_an_operator_may_let_it_stay(zwave_house: ZWaveHouse, host: HostClient, guard: Guarded) -> None:
    """A plain or S0 device, on somebody's word; the host is told of it then."""
    stranger = await stranger_in(guard)
    node_id = stranger.node_id or 0
    device = await guard.hub.allow(guard.address(node_id), name="Old socket", by="Ada")
    assert device.security.standing is Standing.ADOPTED
    await host.event("node added", node_id)
    stranger.report(50)
    await guard.until(lambda: host.value(node_id) == 50, "The value that it reports")
    assert (await guard.hub.posture()).networks[0].state.leaving == ()
    assert node_id in host.controller.nodes


async def test_a_lock_that_comes_in_below_its_class_is_to_leave(
    zwave_house: ZWaveHouse, guarded: Guarded
) -> None:
    """By SmartStart nobody sees what it is before it is in."""
    lock = zwave_house.lock(requests=("S2_Authenticated",))
    async with guarded.hub.admit(lock.dsk, name="Box", smart_start=True) as admission:
        lock.power_on()
        await guarded.event(Joined)
    assert admission.outcome == "joined"
    told = await guarded.event(QuarantinedEvent)
    assert told.rule == "security-class"
    await guarded.event(RemovalAwaited)
    lock.power_off()
    await guarded.event(Evicted)


async def test_nobody_knocks(guarded: Guarded) -> None:
    with pytest.raises(NotEnforceable):
        async with guarded.hub.listen(30, radio="zwave-js"):
            pass


async def test_a_number_that_goes_to_another_device_brings_nothing_along(
    zwave_house: ZWaveHouse, host: HostClient, guard: Guarded
) -> None:
    """An adopted lamp dies, and another client puts a device in its place that nobody knows."""
    lamp = zwave_house.lamp()
    device = await guard.admit(lamp)
    node_id = lamp.node_id or 0
    await host.event("ready", node_id)
    lamp.power_off()
    await zwave_house.settle()
    host.forget()
    async with connected(zwave_house) as other:
        thief = zwave_house.lamp(security="none", name="thief")
        await other.command("controller.replace_failed_node", nodeId=node_id, options={"strategy": INSECURE})
        thief.press_button()
        await guard.event(RemovalAwaited)
    # Such a node has no device class while it is found, which ends the listening of a client that nobody mends.
    assert host.client.connected
    assert thief.node_id == node_id
    assert guard.is_shut_off(node_id)
    assert guard.hub.allowlist[device].address is None
    assert guard.hub.allowlist[device].quarantined is None
    assert guard.of(Left)
    thief.report(40)
    await zwave_house.settle()
    assert not host.of("value updated")
    assert not host.of("node added")


@pytest.mark.parametrize("command", ["node.refresh_info", "node.interview"])
async def test_no_interview_of_it(guard: Guarded, host: HostClient, command: str) -> None:
    stranger = await stranger_in(guard)
    with pytest.raises(FailedCommand):
        await host.command(command, nodeId=stranger.node_id)

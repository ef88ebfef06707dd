"""What breaks in the middle: the server, the connection, the hub, the store. The network works afterwards, nobody is in
who should not be, and what was begun is brought to its end."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from hubsec.errors import HubsecError, RadioError
from hubsec.events import Evicted, GuardAttached, Joined, KeySent, RadioLost, RemovalAwaited, StoreAlarm
from hubsec.identity import Standing, zwave_identity
from tests.zwave.guarded import SHORT, attached, host_client, own
from tests.zwave.test_quarantine import stranger_in

if TYPE_CHECKING:
    from pathlib import Path

    from hubsec_emulated import ZWaveHouse
    from tests.zwave.guarded import Guarded, HostClient

pytestmark = pytest.mark.slow


async def again(guarded: Guarded, times: int = 1) -> None:
    """Wait until the guard stands again after so many losses."""
    await guarded.house.wait_until(
        lambda: len(guarded.of(GuardAttached)) >= times, 20, what="The guard, standing again"
    )


async def test_a_server_that_dies_while_a_device_is_awaited_is_asked_again(
    zwave_house: ZWaveHouse, guarded: Guarded
) -> None:
    lamp = zwave_house.lamp()
    async with guarded.hub.admit(lamp.dsk, name="Lamp") as admission:
        await zwave_house.restart_server()
        await again(guarded)
        assert guarded.of(RadioLost)
        lamp.press_button()
        async with asyncio.timeout(20):
            await admission.joined()


async def test_a_server_that_dies_during_a_removal_finds_it_going_on(
    zwave_house: ZWaveHouse, guarded: Guarded
) -> None:
    lamp = zwave_house.lamp()
    device = await guarded.admit(lamp)
    stranger = await stranger_in(guarded)
    await zwave_house.restart_server()
    await again(guarded)
    assert guarded.radio.node(device).node_id == lamp.node_id
    assert guarded.is_shut_off(stranger.node_id or 0)
    stranger.power_off()
    await guarded.event(Evicted)
    assert guarded.hub.allowlist[device].address == guarded.address(lamp.node_id or 0)


async def test_a_server_that_dies_between_pin_and_keys_leaves_nobody_in_unseen(
    zwave_house: ZWaveHouse, guarded: Guarded
) -> None:
    """The device is in with its keys, or it is shut off and to leave."""
    lamp = zwave_house.lamp()
    device = zwave_identity(lamp.dsk)
    async with guarded.hub.admit(lamp.dsk, name="Lamp"):
        lamp.press_button()
        await guarded.event(KeySent)
        await zwave_house.restart_server()
        await again(guarded)
    if not lamp.keys_held:
        lamp.power_off()  # It would wait for them for long.
    await zwave_house.settle()
    if lamp.node_id is not None and lamp.node_id in guarded.radio._guard.station.nodes:
        where = guarded.address(lamp.node_id)
        entry = guarded.hub.allowlist.get(device)
        if entry is None or entry.address != where:
            assert guarded.is_shut_off(lamp.node_id)
            await guarded.until(
                lambda: guarded.of(RemovalAwaited) or guarded.of(Evicted), "Its removal, begun or ended"
            )


async def test_a_hub_that_dies_between_pin_and_keys_knows_the_device_by_its_dsk(
    zwave_house: ZWaveHouse, tmp_path: Path
) -> None:
    """Its client is cut off right after the PIN has gone out, and the server goes on by itself."""
    lamp = zwave_house.lamp()
    device = zwave_identity(lamp.dsk)
    async with own(zwave_house, tmp_path) as guarded, guarded.hub.admit(lamp.dsk, name="Lamp"):
        lamp.press_button()
        await guarded.event(KeySent)
        guarded.radio._guard.on_event = lambda event: None  # type: ignore[method-assign]
        await zwave_house.wait_until(lambda: lamp.keys_held, 10)
        await zwave_house.settle()
        # What a killed process does not do: it puts no entry right.
        guarded.hub._admissions._put_right = _nothing  # type: ignore[method-assign]
    async with own(zwave_house, tmp_path) as guarded:
        entry = guarded.hub.allowlist[device]
        assert entry.address == guarded.address(lamp.node_id or 0)
        assert not guarded.is_shut_off(lamp.node_id or 0)
        assert guarded.radio.node(device).node_id == lamp.node_id


@pytest.mark.parametrize("question", ["grant security classes", "validate dsk and enter pin"])
async def test_a_hub_that_dies_before_its_answer_leaves_no_controller_busy(
    zwave_house: ZWaveHouse, tmp_path: Path, question: str
) -> None:
    """The server waits for that answer for four minutes, in which nobody else could be let in."""
    lamp, asked = zwave_house.lamp(), asyncio.Event()

    async def never(event: object) -> None:
        del event
        asked.set()
        await asyncio.Event().wait()

    async with own(zwave_house, tmp_path) as guarded, guarded.hub.admit(lamp.dsk, name="Lamp"):
        guarded.radio._guard._handlers["controller", question] = never
        lamp.press_button()
        async with asyncio.timeout(20):
            await asked.wait()
    async with own(zwave_house, tmp_path) as guarded:
        lamp.factory_reset()
        device = await guarded.admit(lamp)
        assert guarded.hub.allowlist[device].address == guarded.address(lamp.node_id or 0)


async def _nothing(running: object) -> None:
    del running


async def test_addresses_hold_when_the_hub_is_opened_again(zwave_house: ZWaveHouse, tmp_path: Path) -> None:
    lamp = zwave_house.lamp()
    async with own(zwave_house, tmp_path) as guarded:
        device = await guarded.admit(lamp)
    async with own(zwave_house, tmp_path) as guarded:
        assert guarded.radio.node(device).node_id == lamp.node_id
        assert guarded.hub.allowlist[device].joined_at is not None
        assert [seen.device for seen in guarded.radio.devices()] == [device]


async def test_who_came_while_the_connection_was_lost_is_put_out(
    zwave_house: ZWaveHouse, guarded: Guarded
) -> None:
    stranger = zwave_house.lamp(security="none", name="stranger")
    link = guarded.radio._guard.station.link
    assert link is not None
    connection = guarded.radio._connection
    assert connection is not None
    connection._url, url = "ws://127.0.0.1:9", connection._url
    assert link.client._client is not None
    await link.client._client.close()
    await guarded.event(RadioLost)
    async with host_client(zwave_house) as other:
        await other.command("controller.begin_inclusion", options={"strategy": 2})
        stranger.press_button()
        await other.event("node added")
    connection._url = url
    await again(guarded)
    await guarded.event(RemovalAwaited)
    assert guarded.is_shut_off(stranger.node_id or 0)


async def test_a_store_that_fails_closes_joining_and_shuts_off_nobody_who_is_in(
    zwave_house: ZWaveHouse, host: HostClient, guard: Guarded, monkeypatch: pytest.MonkeyPatch
) -> None:
    lamp, plug = zwave_house.lamp(), zwave_house.plug()
    await guard.admit(lamp)
    await host.event("ready", lamp.node_id)
    await zwave_house.settle()

    async def full(*_: object, **__: object) -> None:
        from hubsec.errors import StoreError

        raise StoreError("The disk is full.")

    monkeypatch.setattr(guard.hub.store, "record", full)
    monkeypatch.setattr(guard.hub.store, "run", full)
    with pytest.raises(HubsecError):
        await guard.admit(plug)
    await guard.event(StoreAlarm)
    host.pin = plug.pin
    await host.refused("controller.begin_inclusion", options={"strategy": 4})
    lamp.report(42)
    await guard.until(lambda: host.value(lamp.node_id or 0) == 42, "What the lamp says")
    assert not guard.is_shut_off(lamp.node_id or 0)
    assert plug.node_id is None


async def test_a_client_that_is_connected_again_is_guarded_again(
    zwave_house: ZWaveHouse, host: HostClient, guard: Guarded
) -> None:
    """A host may connect the same client object again."""
    lamp = zwave_house.lamp()
    device = await guard.admit(lamp)
    await host.event("ready", lamp.node_id)
    stranger = await stranger_in(guard)
    await host.client.disconnect()
    await guard.event(RadioLost)
    ready = asyncio.Event()
    await host.client.connect()
    listening = asyncio.create_task(host.client.listen(ready))
    try:
        await asyncio.wait_for(ready.wait(), 10)
        await again(guard)
        host.meet()
        host.forget()
        stranger.report(50)
        lamp.report(30)
        await guard.until(lambda: host.value(lamp.node_id or 0) == 30, "What the lamp says")
        assert not [event for event in host.events if event.get("nodeId") == stranger.node_id]
        assert host.controller.nodes[stranger.node_id].status.name == "DEAD"
        assert guard.radio.node(device).node_id == lamp.node_id
        await host.refused("node.ping", nodeId=stranger.node_id)
    finally:
        await host.client.disconnect()
        await listening


async def test_a_host_that_loses_its_server_and_reloads_is_guarded_again(
    zwave_house: ZWaveHouse, tmp_path: Path
) -> None:
    lamp = zwave_house.lamp()
    async with host_client(zwave_house) as host, attached(zwave_house, host.client, tmp_path) as guard:
        device = await guard.admit(lamp)
        await zwave_house.stop_server()
        await guard.event(RadioLost)
        with pytest.raises(RadioError):
            await guard.hub.posture()
    await zwave_house.start_server()
    async with host_client(zwave_house) as host, attached(zwave_house, host.client, tmp_path) as guard:
        assert guard.radio.node(device).node_id == lamp.node_id
        assert guard.hub.devices()[0].security.standing is Standing.APPROVED


async def test_a_server_on_another_network_is_not_taken_for_this_one(
    zwave_house: ZWaveHouse, guarded: Guarded
) -> None:
    lamp = zwave_house.lamp()
    await guarded.admit(lamp)
    guarded.radio._home_id = 0xC0FFEE01  # As if it had been this one.
    await zwave_house.restart_server()
    await guarded.event(RadioLost, lambda event: "another network" in event.reason)
    with pytest.raises(RadioError):
        await guarded.hub.posture()


async def test_two_admissions_and_a_lost_server_take_one_after_the_other(
    zwave_house: ZWaveHouse, tmp_path: Path
) -> None:
    lamp, plug = zwave_house.lamp(), zwave_house.plug()
    async with (
        own(zwave_house, tmp_path, limits=SHORT) as guarded,
        guarded.hub.admit(lamp.dsk, name="Lamp") as first,
        guarded.hub.admit(plug.dsk, name="Plug") as second,
    ):
        lamp.press_button()
        await first.joined()
        await zwave_house.restart_server()
        await again(guarded)
        plug.press_button()
        async with asyncio.timeout(20):
            await second.joined()
        assert len(guarded.of(Joined)) == 2

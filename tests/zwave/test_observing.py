"""Observed, a host does what it likes, and all of it is told; adopted, what is there goes on."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from hubsec import load_policy
from hubsec.errors import Refused
from hubsec.events import Drifted, GuardAttached, GuardDetached, OpenRefused, Quarantined
from hubsec.identity import Mode, Standing
from hubsec_zwave.link import _HOOKED
from tests.zwave.guarded import INSECURE, S2, attached, host_client, own

if TYPE_CHECKING:
    from pathlib import Path

    from hubsec_emulated import ZWaveHouse
    from tests.zwave.guarded import HostClient


async def test_observing_refuses_nothing_and_tells_all(
    zwave_house: ZWaveHouse, host: HostClient, tmp_path: Path
) -> None:
    house = zwave_house
    lamp, plain = house.lamp(), house.lamp(security="none", name="plain")
    async with attached(house, host.client, tmp_path, mode=Mode.OBSERVE) as guard:
        host.pin = lamp.pin
        await host.command("controller.begin_inclusion", options={"strategy": S2})
        lamp.press_button()
        await host.event("node added")
        await house.wait_until(lambda: lamp.keys_held == {"S2_Authenticated", "S2_Unauthenticated"})
        host.forget()
        await host.command("controller.begin_inclusion", options={"strategy": INSECURE})
        plain.press_button()
        await host.event("node added")
        told = await guard.event(Quarantined, lambda event: event.device == guard.address(plain.node_id or 0))
        assert not told.enforced
        opened = guard.of(OpenRefused)
        assert ("host", False) in {(event.asker, event.enforced) for event in opened}
        assert not any(event.enforced for event in opened)
        plain.report(50)
        await guard.until(lambda: host.value(plain.node_id or 0) == 50, "What the plain lamp says")
        await host.command("controller.provision_smart_start_node", entry=house.lamp(name="third").sticker)
        drift = await guard.event(Drifted)
        assert not drift.restored
        [entry] = (await host.command("controller.get_provisioning_entries"))["entries"]
        assert entry.get("status", 0) == 0
        with pytest.raises(Refused):
            async with guard.hub.admit(house.lamp(name="fourth").dsk, name="Lamp"):
                pass


async def test_what_is_there_is_listed_and_goes_on_until_it_is_confirmed(
    zwave_house: ZWaveHouse, host: HostClient, tmp_path: Path
) -> None:
    house = zwave_house
    plain, other = house.lamp(security="none", name="plain"), house.lamp(security="none", name="other")
    for device in (plain, other):
        host.forget()
        await host.command("controller.begin_inclusion", options={"strategy": INSECURE})
        device.press_button()
        await host.event("node added")
    async with attached(house, host.client, tmp_path) as guard:
        posture = (await guard.hub.posture()).networks[0]
        known = {guard.address(plain.node_id or 0), guard.address(other.node_id or 0)}
        assert set(posture.unconfirmed) == known
        plain.report(50)
        await guard.until(lambda: host.value(plain.node_id or 0) == 50, "What the plain lamp says")
        await host.refused("controller.begin_inclusion", options={"strategy": S2})
        await guard.hub.adopt("zwave-js", devices=[guard.address(plain.node_id or 0)])
        await guard.until(lambda: guard.is_shut_off(other.node_id or 0), "The one who was not confirmed")
        assert not guard.is_shut_off(plain.node_id or 0)
        [device] = guard.hub.devices()
        assert device.security.standing is Standing.ADOPTED


async def test_a_lost_store_is_no_empty_list(zwave_house: ZWaveHouse, tmp_path: Path) -> None:
    async with own(zwave_house, tmp_path / "first") as guarded:
        lamp = zwave_house.lamp()
        await guarded.admit(lamp)
    async with own(zwave_house, tmp_path / "second") as guarded:
        assert not guarded.is_shut_off(lamp.node_id or 0)
        posture = (await guarded.hub.posture()).networks[0]
        assert posture.unconfirmed == (guarded.address(lamp.node_id or 0),)
        with pytest.raises(Refused):
            async with guarded.hub.admit(zwave_house.lamp(name="second").dsk, name="Lamp"):
                pass


async def test_detaching_gives_back_methods_and_the_provisioning_list(
    zwave_house: ZWaveHouse, host: HostClient, tmp_path: Path
) -> None:
    house = zwave_house
    active, inactive = house.lamp(name="active"), house.lamp(name="inactive")
    await host.command("controller.provision_smart_start_node", entry=active.sticker)
    await host.command(
        "controller.provision_smart_start_node",
        entry={"dsk": inactive.dsk, "securityClasses": [0, 1], "status": 1, "name": "mine"},
    )
    before = (await host.command("controller.get_provisioning_entries"))["entries"]
    methods = {name: host.client.__dict__.get(name) for name in _HOOKED}
    async with attached(house, host.client, tmp_path) as guard:
        assert all(host.client.__dict__.get(name) is not None for name in _HOOKED)
        lamp = house.lamp(name="lamp")
        async with guard.hub.admit(lamp.sticker, name="Lamp") as admission:
            lamp.power_on()
            async with asyncio.timeout(20):
                await admission.joined()
        listed = (await host.command("controller.get_provisioning_entries"))["entries"]
        assert len(listed) == 3
        assert {entry["status"] for entry in listed} == {1}
        told = guard.told
    assert {name: host.client.__dict__.get(name) for name in _HOOKED} == methods
    after = (await host.command("controller.get_provisioning_entries"))["entries"]
    assert sorted(after, key=lambda entry: entry["dsk"]) == sorted(before, key=lambda entry: entry["dsk"])
    [detached] = [event for event in told if isinstance(event, GuardDetached)]
    assert detached.restored
    await host.command("controller.begin_inclusion", options={"strategy": INSECURE})
    await host.command("controller.stop_inclusion")


async def test_whoever_wraps_the_client_after_hubsec_is_left_where_it_is(
    zwave_house: ZWaveHouse, host: HostClient, tmp_path: Path
) -> None:
    async with attached(zwave_house, host.client, tmp_path) as guard:
        inner = host.client._handle_incoming_message

        def outer(msg: object) -> None:
            inner(msg)  # type: ignore[arg-type]

        host.client._handle_incoming_message = outer  # type: ignore[method-assign]
        assert "bypassed" in (await guard.hub.posture()).networks[0].state.gaps
        told = guard.told
    [detached] = [event for event in told if isinstance(event, GuardDetached)]
    assert not detached.restored
    assert host.client._handle_incoming_message is outer
    assert (await host.command("controller.get_state"))["state"]


async def test_the_guard_says_what_it_can_not_hold(zwave_house: ZWaveHouse, tmp_path: Path) -> None:
    async with host_client(zwave_house) as host:
        async with attached(zwave_house, host.client, tmp_path) as guard:
            assert (await guard.hub.posture()).networks[0].state.gaps == ("other-clients",)
        assert guard.radio.capabilities.rotation.support == "no"


async def test_a_policy_may_take_no_device_from_a_host(
    zwave_house: ZWaveHouse, host: HostClient, tmp_path: Path
) -> None:
    async with attached(zwave_house, host.client, tmp_path, policy=load_policy("strict")) as guard:
        await host.refused("controller.begin_inclusion", options={"strategy": S2})
        await host.refused("controller.provision_smart_start_node", entry=zwave_house.lamp().sticker)
        told = await guard.event(OpenRefused)
        assert told.rule == "host-inclusion"


async def test_own_and_attached_say_which(zwave_house: ZWaveHouse, tmp_path: Path) -> None:
    from hubsec import Hub
    from hubsec_zwave import ZwaveJs

    ways: list[str] = []
    hub = Hub(ZwaveJs(zwave_house.url), home=tmp_path)
    hub.on(GuardAttached, lambda event: ways.append(event.way))
    async with hub:
        pass
    async with host_client(zwave_house) as host:
        hub = Hub(ZwaveJs.attach(host.client), home=tmp_path)
        hub.on(GuardAttached, lambda event: ways.append(event.way))
        async with hub:
            pass
    assert ways == ["own", "attach"]

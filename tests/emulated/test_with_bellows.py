"""Unmodified bellows and zigpy run an emulated house: joins, interviews, orders, reports, removals, new keys."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
import zigpy.device
from bellows.types import EzspPolicyId
from bellows.zigbee.application import ControllerApplication
from zigpy.exceptions import DeliveryError
from zigpy.types import EUI64, KeyData
from zigpy.zcl.clusters.general import OnOff
from zigpy.zcl.clusters.security import IasZone

from hubsec_emulated.capture.keyring import KeyKind
from hubsec_emulated.devices import Device
from hubsec_emulated.house import House
from hubsec_emulated.wire.addresses import format_eui64
from tests.zigpy_tasks import zigpy_has_answered

pytestmark = pytest.mark.hosts
CHANNEL = 15
FAST = 20.0


@asynccontextmanager
async def host(house: House, **more: Any) -> AsyncIterator[ControllerApplication]:
    config = {
        "device": {"path": house.url},
        "use_thread": False,
        "database_path": None,
        "backup_enabled": False,
        "topology_scan_enabled": False,
        "ota": {"enabled": False},
        "network": {"channel": CHANNEL},
        **more,
    }
    app = await ControllerApplication.new(config, auto_form=True)
    try:
        yield app
        await house.settled()
        await asyncio.sleep(0.1)  # The last frame is on its way through the host.
        await zigpy_has_answered()
    finally:
        await app.shutdown()


@asynccontextmanager
async def house_and_host(**options: Any) -> AsyncIterator[tuple[House, ControllerApplication]]:
    async with House(scale=FAST, **options) as house, host(house) as app:
        yield house, app


def ieee(device: Device) -> EUI64:
    return EUI64.convert(format_eui64(device.eui64))


async def admitted(house: House, app: ControllerApplication, device: Device) -> zigpy.device.Device:
    """Let the host open its network, switch the device on and wait until it was interviewed."""
    if device.install_code is None:
        await app.permit(60)
    else:
        await app.permit_with_link_key(ieee(device), KeyData(device.link_keys.preconfigured[0]), 60)
    device.power_on()

    def ready() -> bool:
        known = app.devices.get(ieee(device))
        return known is not None and known.model is not None and device.trust_center_link_key_verified

    await house.wait_until(ready, 120, what=f"The interview of {device.name}")
    return app.devices[ieee(device)]


@pytest.mark.parametrize("version", [13, 14, 18])
async def test_a_lamp_joins_by_its_install_code_and_obeys(version: int) -> None:
    async with house_and_host(version=version) as (house, app):
        lamp = house.lamp(channels=(CHANNEL,), dimmable=True)
        device = await admitted(house, app, lamp)
        assert (device.manufacturer, device.model) == ("Emulated", "Lamp")
        assert lamp.network_key == app.state.network_info.network_key.key.serialize()

        await device.endpoints[1].on_off.on()
        assert lamp.is_on
        await device.endpoints[1].level.move_to_level(100, 0)
        assert lamp.level == 100
        values, failures = await device.endpoints[1].basic.read_attributes(["model", "location_desc"])
        assert list(values.values()) == ["Lamp"]
        assert len(failures) == 1

        report = house.sniffer.report()
        assert report.keys == (), "a join by install code tells a listener nothing"
        assert report.unopened > 0


async def test_a_join_with_the_well_known_key_is_public() -> None:
    async with house_and_host() as (house, app):
        plug = house.plug(install_code=None, channels=(CHANNEL,))
        await admitted(house, app, plug)
        kinds = [key.kind for key in house.sniffer.report().keys]
        assert kinds == [KeyKind.NETWORK, KeyKind.LINK]
        assert house.sniffer.report().unopened == 0


async def test_a_button_is_reported_to_the_host() -> None:
    async with house_and_host() as (house, app):
        lamp = house.lamp(channels=(CHANNEL,))
        device = await admitted(house, app, lamp)
        cluster = device.endpoints[1].on_off
        await cluster.bind()
        await cluster.configure_reporting(OnOff.AttributeDefs.on_off, 0, 3600, 1)
        for state in (True, False):
            lamp.press()
            await house.wait_until(lambda expected=state: cluster.get("on_off") == expected)


async def test_a_sensor_enrolls_and_tells_of_the_door() -> None:
    async with house_and_host() as (house, app):
        sensor = house.sensor(channels=(CHANNEL,))
        device = await admitted(house, app, sensor)
        zone = device.endpoints[1].ias_zone
        heard: list[int] = []

        class Listener:
            def cluster_command(self, tsn: int, command: int, args: Any) -> None:
                if command == IasZone.ClientCommandDefs.status_change_notification.id:
                    heard.append(int(args[0]))

        zone.add_listener(Listener())
        await zone.write_attributes({"cie_addr": app.state.node_info.ieee})
        await zone.enroll_response(enroll_response_code=0, zone_id=1)
        assert sensor.is_enrolled
        sensor.open()
        await house.wait_until(lambda: heard)
        sensor.close()
        await house.wait_until(lambda: len(heard) == 2)
        assert heard == [1, 0]


async def test_a_lock_behind_a_router() -> None:
    async with house_and_host() as (house, app):
        lamp = house.lamp(channels=(CHANNEL,))
        await admitted(house, app, lamp)
        lock = house.lock(parent=lamp, channels=(CHANNEL,))
        device = await admitted(house, app, lock)
        assert lock.nwk.parent == lamp.short
        assert lock.is_locked
        await device.endpoints[1].door_lock.unlock_door()
        assert not lock.is_locked


async def test_a_device_is_removed_and_is_gone() -> None:
    async with house_and_host() as (house, app):
        sensor = house.sensor(channels=(CHANNEL,))
        device = await admitted(house, app, sensor)
        await app.remove(device.ieee)
        await house.wait_until(lambda: not sensor.joined)
        assert not sensor.has_network_key
        assert sensor.eui64 not in house.coordinator.children


async def test_a_device_whose_code_the_host_does_not_know_stays_out() -> None:
    async with house_and_host() as (house, app):
        lamp, other = house.lamp(channels=(CHANNEL,)), house.wrong_code(channels=(CHANNEL,))
        await app.permit_with_link_key(ieee(lamp), KeyData(lamp.link_keys.preconfigured[0]), 60)
        # What bellows does not do by itself: the wildcard entry of an earlier permit() is still there.
        await app._ezsp.clearTransientLinkKeys()
        await app.permit_with_link_key(ieee(lamp), KeyData(lamp.link_keys.preconfigured[0]), 60)
        other.power_on()
        lamp.power_on()
        await house.wait_until(lambda: lamp.trust_center_link_key_verified)
        await house.sleep(20)
        assert other.joining.associations > 0
        assert not other.loot
        assert other.joining.keyless > 0
        other.power_off()


async def test_a_stranger_comes_in_by_the_wildcard_that_bellows_leaves_behind() -> None:
    async with house_and_host() as (house, app):
        lamp, stranger = house.lamp(channels=(CHANNEL,)), house.stranger(channels=(CHANNEL,))
        await app.permit_with_link_key(ieee(lamp), KeyData(lamp.link_keys.preconfigured[0]), 60)
        stranger.power_on()
        await house.wait_until(lambda: stranger.loot.network_keys)
        assert list(house.loot) == [stranger.name]
        assert {sent.sender for sent in house.hostile_frames} == {stranger.name}


async def test_the_house_goes_on_after_a_restart_of_the_host() -> None:
    async with House(scale=FAST) as house:
        async with host(house) as app:
            lamp, sensor = house.lamp(channels=(CHANNEL,)), house.sensor(channels=(CHANNEL,))
            await admitted(house, app, lamp)
            await admitted(house, app, sensor)
            key = lamp.network_key
        async with host(house) as app:
            assert app.state.network_info.network_key.key.serialize() == key
            lamp.power_off()
            lamp.power_on()
            await house.settled()
            # The sensor may have found its parent gone while the host was: it comes back by itself.
            await house.wait_until(lambda: lamp.joined and sensor.joined)
            for device in (lamp, sensor):
                known = app.add_device(ieee(device), device.short)
                response = await known.zdo.Node_Desc_req(device.short)
                assert response[0] == 0


async def test_the_network_key_moves_and_the_left_out_stay_behind() -> None:
    async with house_and_host() as (house, app):
        lamp, plug = house.lamp(channels=(CHANNEL,)), house.plug(channels=(CHANNEL,))
        await admitted(house, app, lamp)
        await admitted(house, app, plug)
        ezsp = app._ezsp
        new = KeyData(bytes(range(16, 32)))
        plug.power_off()
        (status,) = await ezsp.broadcastNextNetworkKey(key=new)
        assert int(status) == 0
        await house.wait_until(lambda: lamp.keys.alternate == 1)
        await house.sleep(20)
        (status,) = await ezsp.broadcastNetworkKeySwitch()
        assert int(status) == 0
        await house.wait_until(lambda: lamp.key_sequence == 1)
        assert lamp.network_key == new.serialize() == house.coordinator.keys.key
        plug.power_on()
        device = app.devices[ieee(plug)]
        with pytest.raises((TimeoutError, DeliveryError)):
            async with asyncio.timeout(0.5):
                await device.endpoints[1].on_off.on()
        assert not plug.is_on
        await app.devices[ieee(lamp)].endpoints[1].on_off.on()
        assert lamp.is_on


async def test_a_lossy_air_costs_time_but_no_device() -> None:
    async with (
        House(scale=FAST, seed=3, loss=0.1, duplication=0.05, delay=0.005) as house,
        host(house) as app,
    ):
        lamp, sensor = house.lamp(channels=(CHANNEL,)), house.sensor(channels=(CHANNEL,))
        await admitted(house, app, lamp)
        device = await admitted(house, app, sensor)
        values, _ = await device.endpoints[1].basic.read_attributes(["model"])
        assert "Contact" in values.values()


async def test_a_deferred_joiner_behind_a_router_waits_for_its_key() -> None:
    async with house_and_host() as (house, app):
        lamp = house.lamp(channels=(CHANNEL,))
        await admitted(house, app, lamp)
        ezsp = app._ezsp
        await ezsp.clearTransientLinkKeys()
        await ezsp.setPolicy(EzspPolicyId.TRUST_CENTER_POLICY, 0x21)
        heard: list[tuple[str, Any]] = []
        ezsp.add_callback(lambda name, args: heard.append((name, args)))

        sensor = house.sensor(parent=lamp, channels=(CHANNEL,))
        sensor.power_on()
        await house.wait_until(lambda: sensor.joining.keyless)
        decisions = {int(args[3]) for name, args in heard if name == "trustCenterJoinHandler"}
        assert decisions == {3}, "no action"
        assert not sensor.has_network_key

        await ezsp.importTransientKey(ieee(sensor), KeyData(sensor.link_keys.preconfigured[0]), 0)
        joins = len(heard)
        await house.wait_until(lambda: "trustCenterJoinHandler" in [name for name, _ in heard[joins:]])
        (status,) = await ezsp.unicastCurrentNetworkKey(sensor.short, ieee(sensor), lamp.short)
        assert int(status) == 0
        await house.wait_until(lambda: sensor.trust_center_link_key_verified)

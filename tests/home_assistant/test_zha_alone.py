"""What Home Assistant's own ZHA does, unguarded: the ground that the guard's tests stand on."""

from __future__ import annotations

import threading
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from homeassistant.components.zha.const import DOMAIN
from homeassistant.config_entries import SOURCE_USER, ConfigEntryState
from homeassistant.core import Context, HomeAssistant
from homeassistant.data_entry_flow import FlowResultType
from homeassistant.setup import async_setup_component
from pytest_homeassistant_custom_component.typing import MockHAClientWebSocket, WebSocketGenerator
from zha_house import NOWHERE, Zha, ieee, socket_url, until, zha_entry

import hubsec
import hubsec_emulated
import hubsec_zigbee
from hubsec_emulated.house import House

ROOT = Path(__file__).parents[2]
WINDOW = 60


def test_what_is_tested_is_the_wheel() -> None:
    for package in (hubsec, hubsec_zigbee, hubsec_emulated):
        assert package.__file__ is not None
        assert not Path(package.__file__).is_relative_to(ROOT) or ".venv-ha" in Path(package.__file__).parts


# Who gets in


async def by_service(zha: Zha, _websocket: MockHAClientWebSocket, admin: Context) -> None:
    await zha.permit(WINDOW, context=admin)


async def by_page(zha: Zha, websocket: MockHAClientWebSocket, _admin: Context) -> None:
    answer = await zha.permit_on_page(websocket, WINDOW)
    assert answer["success"], answer


@pytest.mark.zigbee_house(record=True)
@pytest.mark.parametrize("opened", [by_service, by_page])
async def test_a_stranger_gets_the_network_key_while_zha_permits(
    zha: Zha,
    hass_ws_client: WebSocketGenerator,
    admin: Context,
    opened: Callable[[Zha, MockHAClientWebSocket, Context], Awaitable[None]],
) -> None:
    stranger = zha.house.stranger()
    await opened(zha, await hass_ws_client(zha.hass), admin)
    stranger.power_on()
    await zha.joined(stranger)
    key = zha.app.state.network_info.network_key.key.serialize()
    assert key in stranger.loot.network_keys.values()
    assert zha.house.sniffer.holds(
        key
    )  # nor does it take a stranger: whoever listens with the public key has it
    await until(lambda: zha.device_entry(stranger), "The stranger's place in Home Assistant")


async def test_a_stranger_comes_in_by_a_router_that_alone_was_opened(zha: Zha) -> None:
    lamp = zha.house.lamp()
    await zha.admitted(lamp)
    await zha.permit(WINDOW, ieee=ieee(lamp))
    stranger = zha.house.stranger(parent=lamp)
    stranger.power_on()
    await until(lambda: stranger.loot, "The stranger's loot")


async def test_a_stranger_finds_no_open_network_before_zha_permits(zha: Zha) -> None:
    stranger = zha.house.stranger()
    stranger.power_on()
    await zha.house.sleep(20)
    assert not stranger.loot
    assert not zha.knows(stranger)


@pytest.mark.zigbee_house(record=True)
async def test_an_install_code_lets_its_device_in_and_shows_nobody_the_key(zha: Zha, admin: Context) -> None:
    lamp = zha.house.lamp()
    assert lamp.install_code is not None
    code = {"source_ieee": ieee(lamp), "install_code": lamp.install_code.hex()}
    await zha.permit(WINDOW, context=admin, **code)
    lamp.power_on()
    await zha.joined(lamp)
    assert lamp.link_keys.preconfigured
    assert not zha.house.sniffer.has_network_key


async def test_a_stranger_comes_in_by_the_window_of_an_install_code(zha: Zha) -> None:
    # Every start and every permit leaves the well-known key in the stick for five minutes, for whoever comes.
    lamp, stranger = zha.house.lamp(), zha.house.stranger()
    assert lamp.install_code is not None
    await zha.permit(WINDOW, source_ieee=ieee(lamp), install_code=lamp.install_code.hex())
    stranger.power_on()
    await until(lambda: stranger.loot, "The stranger's loot")


# What becomes of a device


async def switch_on(zha: Zha, domain: str, service: str, entity_id: str) -> None:
    await zha.hass.services.async_call(domain, service, {"entity_id": entity_id}, blocking=True)


async def test_a_lamp_is_switched_on_from_home_assistant(zha: Zha) -> None:
    lamp = zha.house.lamp()
    await zha.admitted(lamp)
    light = await zha.entity(lamp, "light")
    await switch_on(zha, "light", "turn_on", light)
    assert lamp.is_on
    await until(lambda: zha.hass.states.get(light).state == "on", "The light's state")


async def test_a_plug_is_switched_on_from_home_assistant(zha: Zha) -> None:
    plug = zha.house.plug()
    await zha.admitted(plug)
    await switch_on(zha, "switch", "turn_on", await zha.entity(plug, "switch"))
    assert plug.is_on


async def test_a_lock_is_locked_from_home_assistant(zha: Zha) -> None:
    lock = zha.house.lock()
    await zha.admitted(lock)
    entity = await zha.entity(lock, "lock")
    before = lock.is_locked
    await switch_on(zha, "lock", "unlock" if before else "lock", entity)
    await until(lambda: lock.is_locked is not before, "The lock's turn")


async def test_a_contact_tells_home_assistant_that_it_was_opened(zha: Zha) -> None:
    sensor = zha.house.sensor()
    await zha.admitted(sensor)
    contact = await zha.entity(sensor, "binary_sensor")
    await until(lambda: sensor.is_enrolled, "The enrollment")
    sensor.open()
    await until(lambda: zha.hass.states.get(contact).state == "on", "The contact's state")


async def test_a_removed_device_is_off_the_network_and_out_of_home_assistant(zha: Zha) -> None:
    lamp = zha.house.lamp()
    await zha.admitted(lamp)
    await zha.entity(lamp, "light")
    await zha.remove(lamp)
    await until(lambda: zha.device_entry(lamp) is None, "The device's end")
    await until(lambda: not lamp.joined, "The lamp's leaving")


# What becomes of the network


async def test_a_stick_that_bellows_serves_in_a_thread_of_its_own(house: House, hass: HomeAssistant) -> None:
    # That is how ZHA runs every stick but those behind socket://.
    zha = Zha(hass, house, zha_entry(house.url))
    zha.entry.add_to_hass(hass)
    await zha.started()
    try:
        assert "bellows.thread_0" in {thread.name for thread in threading.enumerate()}
        lamp = house.lamp()
        await zha.admitted(lamp)
        await working(zha, lamp)
    finally:
        await zha.stop()


async def working(zha: Zha, lamp: Any) -> None:
    """Switch the lamp over through Home Assistant, as proof that all is as it was."""
    entity, before = await zha.entity(lamp, "light"), lamp.is_on
    await until(lambda: zha.hass.states.get(entity).state != "unavailable", "The light's return")
    await switch_on(zha, "light", "turn_off" if before else "turn_on", entity)
    assert lamp.is_on is not before


async def test_a_reload_keeps_the_network_and_makes_a_new_application(zha: Zha) -> None:
    lamp = zha.house.lamp()
    await zha.admitted(lamp)
    await working(zha, lamp)
    app, key = zha.app, zha.app.state.network_info.network_key.key
    assert await zha.reload()
    assert zha.app is not app
    assert zha.app.state.network_info.network_key.key == key
    await working(zha, lamp)


async def test_unloaded_and_set_up_again(zha: Zha) -> None:
    lamp = zha.house.lamp()
    await zha.admitted(lamp)
    assert await zha.unload()
    assert not zha.house.server.connected
    assert await zha.setup()
    await working(zha, lamp)


async def test_a_restart_of_home_assistant_keeps_the_device(zha: Zha) -> None:
    lamp = zha.house.lamp()
    await zha.admitted(lamp)
    light = await zha.entity(lamp, "light")
    async with zha.restarted() as again:
        await again.started()
        assert again.entity_id(lamp, "light") == light
        await working(again, lamp)


async def test_a_broken_connection_reloads_zha(zha: Zha) -> None:
    lamp = zha.house.lamp()
    await zha.admitted(lamp)
    app = zha.app
    zha.house.server.power_cut()
    await until(lambda: zha.entry.state is not ConfigEntryState.LOADED, "The loss of the connection")
    await zha.loaded()
    assert zha.app is not app
    await working(zha, lamp)


async def test_zha_without_its_stick_is_tried_again(unstarted_zha: Zha) -> None:
    zha = unstarted_zha
    zha.point_at(NOWHERE)
    await zha.start()
    assert zha.entry.state is ConfigEntryState.SETUP_RETRY
    zha.point_at(socket_url(zha.house))
    assert await zha.reload()
    assert zha.entry.state is ConfigEntryState.LOADED


async def test_a_stick_that_goes_and_comes_back(zha: Zha) -> None:
    async with zha.without_stick():
        await until(lambda: zha.entry.state is ConfigEntryState.SETUP_RETRY, "ZHA's giving up for now")
    assert await zha.reload()
    assert zha.entry.state is ConfigEntryState.LOADED


async def test_zhas_own_flow_makes_the_entry_that_these_tests_use(hass: HomeAssistant, house: House) -> None:
    await async_setup_component(hass, DOMAIN, {DOMAIN: {"zigpy_config": {"network": {"channel": 15}}}})
    flows = hass.config_entries.flow
    step = await flows.async_init(DOMAIN, context={"source": SOURCE_USER})
    if step["step_id"] == "choose_serial_port":  # only where the machine has a serial port
        step = await flows.async_configure(step["flow_id"], {"path": "Enter Manually"})
    radio = step["data_schema"].schema["radio_type"].container[0]
    step = await flows.async_configure(step["flow_id"], {"radio_type": radio})
    port = {"path": socket_url(house), "baudrate": 115200, "flow_control": None}
    step = await flows.async_configure(step["flow_id"], port)
    if step["type"] is FlowResultType.MENU:
        step = await flows.async_configure(step["flow_id"], {"next_step_id": "form_initial_network"})
    assert step["type"] is FlowResultType.CREATE_ENTRY
    entry = step["result"]
    assert entry.data == zha_entry(socket_url(house)).data
    assert entry.version == zha_entry("").version
    zha = Zha(hass, house, entry)
    await zha.loaded()
    await zha.stop()

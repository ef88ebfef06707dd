"""The entities of a protected network, its triggers and its lines in the logbook, on the real ZHA."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from guarded import GuardedZha, guarded
from homeassistant.components.device_automation import DeviceAutomationType
from homeassistant.config_entries import ConfigEntryState
from homeassistant.const import ATTR_ENTITY_ID
from homeassistant.core import Context, Event, HomeAssistant
from homeassistant.exceptions import HomeAssistantError, ServiceValidationError
from homeassistant.helpers import device_registry as dr
from homeassistant.helpers import entity_registry as er
from homeassistant.loader import async_get_integration
from homeassistant.setup import async_setup_component
from pytest_homeassistant_custom_component.common import (
    MockUser,
    async_capture_events,
    async_get_device_automations,
)
from zha_house import Zha, ieee, until

from hubsec.errors import StoreError

pytestmark = pytest.mark.usefixtures("enable_custom_integrations")


async def pressed(
    home: GuardedZha, domain: str, action: str, key: str, context: Context | None = None
) -> None:
    await home.hass.services.async_call(
        domain, action, {ATTR_ENTITY_ID: home.entity_id(domain, key)}, blocking=True, context=context
    )


# Protected


async def test_protected_is_on_while_a_policy_is_enforced(zha: Zha) -> None:
    home = await guarded(zha)
    assert home.state("binary_sensor", "protected") == "on"
    assert home.attributes("binary_sensor", "protected")["guard"] == "stands"
    await zha.unload()
    await zha.hass.async_block_till_done()
    assert home.state("binary_sensor", "protected") == "off"
    assert home.attributes("binary_sensor", "protected")["guard"] == "waiting"
    for domain, key in (
        ("binary_sensor", "joining"),
        ("binary_sensor", "store_alarm"),
        ("binary_sensor", "exposed"),
        ("sensor", "unapproved"),
        ("sensor", "allowlist"),
    ):
        assert home.state(domain, key) == "unavailable"
    await zha.setup()
    await zha.hass.async_block_till_done()
    assert home.state("binary_sensor", "protected") == "on"
    assert home.state("binary_sensor", "joining") == "off"


async def test_protected_is_off_while_it_only_observes(zha: Zha) -> None:
    home = await guarded(zha, "observe")
    assert home.state("binary_sensor", "protected") == "off"
    assert home.attributes("binary_sensor", "protected")["guard"] == "stands"
    assert home.state("switch", "enforcement") == "off"


# Joining


async def test_joining_is_open_to_one_device_until_it_is_in(zha: Zha) -> None:
    home = await guarded(zha)
    lamp = zha.house.lamp()
    admitting = zha.hass.async_create_task(
        home.call("admit", sticker=lamp.sticker, name="Hall lamp", device_class="lamp")
    )
    await until(lambda: home.state("binary_sensor", "joining") == "on", "Opening")
    shown = home.attributes("binary_sensor", "joining")
    assert shown["open_to"] == ["Hall lamp"]
    assert shown["listening"] is False
    assert shown["until"] is not None
    lamp.power_on()
    assert (await admitting)["name"] == "Hall lamp"
    await home.settled(lamp)
    await until(lambda: home.state("binary_sensor", "joining") == "off", "Closing")
    assert home.attributes("binary_sensor", "joining")["until"] is None


async def test_joining_is_open_while_somebody_listens(zha: Zha) -> None:
    home = await guarded(zha)
    await home.call("listen")
    assert home.state("binary_sensor", "joining") == "on"
    assert home.attributes("binary_sensor", "joining")["listening"] is True
    await pressed(home, "button", "press", "close_joining")
    assert home.state("binary_sensor", "joining") == "off"
    assert not home.network.posture.networks[0].state.listening


async def test_the_button_shuts_out_whom_somebody_admitted(zha: Zha) -> None:
    home = await guarded(zha)
    lamp = zha.house.lamp()
    admitting = zha.hass.async_create_task(home.call("admit", sticker=lamp.sticker, name="Hall lamp"))
    await until(lambda: home.state("binary_sensor", "joining") == "on", "Opening")
    await pressed(home, "button", "press", "close_joining")
    with pytest.raises(HomeAssistantError, match="Somebody closed it"):
        await admitting
    assert home.state("binary_sensor", "joining") == "off"
    lamp.power_on()
    await asyncio.sleep(0.5)
    assert not lamp.joined


async def test_the_button_closes_what_zha_opened(zha: Zha) -> None:
    home = await guarded(zha, "observe")
    assert home.state("binary_sensor", "joining") == "unknown"
    await zha.permit()
    assert zha.house.coordinator.parenting.permit
    await pressed(home, "button", "press", "close_joining")
    assert not zha.house.coordinator.parenting.permit


# Enforcement


async def test_the_switch_turns_enforcement_on_and_off_and_says_who(
    zha: Zha, admin: Context, hass_admin_user: MockUser
) -> None:
    home = await guarded(zha, "observe")
    told = async_capture_events(zha.hass, "hubsec_event")
    await pressed(home, "switch", "turn_on", "enforcement", admin)
    await zha.hass.async_block_till_done()
    assert home.entry.options == {"mode": "enforce", "policy": "home"}
    assert home.state("switch", "enforcement") == "on"
    assert home.state("binary_sensor", "protected") == "on"
    with pytest.raises(HomeAssistantError):
        await zha.permit()
    (changed,) = [event for event in told if event.data["type"] == "mode_changed"]
    assert changed.data["by"] == hass_admin_user.name
    assert changed.context.user_id == hass_admin_user.id
    assert changed.data["sentence"] == f"Enforces its policy from now on, on {hass_admin_user.name}'s word"

    await pressed(home, "switch", "turn_off", "enforcement", admin)
    await zha.hass.async_block_till_done()
    assert home.state("binary_sensor", "protected") == "off"
    await zha.permit(1)
    await zha.close()


async def unadopted(zha: Zha) -> GuardedZha:
    await zha.admitted(zha.house.lamp())
    return await guarded(zha, "observe", adopt=None)


async def unloaded(zha: Zha) -> GuardedZha:
    home = await guarded(zha, "observe")
    await zha.unload()
    return home


@pytest.mark.parametrize(
    ("made", "why"),
    [(unadopted, "Nobody has confirmed the devices of Emulated stick"), (unloaded, "ZHA is not running")],
)
async def test_the_switch_stays_off_where_enforcing_would_do_harm_or_nothing(
    zha: Zha, made: Callable[[Zha], Awaitable[GuardedZha]], why: str
) -> None:
    home = await made(zha)
    with pytest.raises(ServiceValidationError, match=why):
        await pressed(home, "switch", "turn_on", "enforcement")
    assert home.state("switch", "enforcement") == "off"
    assert home.entry.options["mode"] == "observe"


# What is wrong


async def test_the_network_is_exposed_once_an_approval_sent_the_key(zha: Zha) -> None:
    home = await guarded(zha)
    assert home.state("binary_sensor", "exposed") == "off"
    old = zha.house.lamp(install_code=None)
    await home.call("listen")
    old.power_on()
    await until(lambda: home.network.entrance.knocks, "The knock")
    assert home.attributes("event", "events")["event_type"] in ("knocked", "denied")
    await home.call("approve", device=ieee(old), name="Old lamp")
    await home.settled(old)
    await until(lambda: home.state("binary_sensor", "exposed") == "on", "The mark")
    concern = er.async_get(zha.hass).async_get_entity_id(
        "binary_sensor", "hubsec", f"{home.entry.unique_id}-{ieee(old)}-concern"
    )
    assert concern is not None


async def test_a_store_that_can_record_nothing_is_a_problem(
    zha: Zha, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = await guarded(zha)
    assert home.state("binary_sensor", "store_alarm") == "off"
    store = home.network.hub.store

    async def full(*_: Any) -> None:
        raise StoreError("The disk is full.")

    with monkeypatch.context() as broken:
        broken.setattr(type(store), "record", full)
        with pytest.raises(HomeAssistantError):
            await zha.permit()
    await until(lambda: home.state("binary_sensor", "store_alarm") == "on", "The alarm")
    assert "disk is full" in home.attributes("binary_sensor", "store_alarm")["problem"]
    with pytest.raises(HomeAssistantError):
        await zha.permit()
    await until(lambda: home.state("binary_sensor", "store_alarm") == "off", "Its end")


# Who is there


async def test_strangers_are_counted_until_somebody_allows_them(zha: Zha) -> None:
    lamp, plug = zha.house.lamp(), zha.house.plug()
    await zha.admitted(lamp)
    await zha.admitted(plug)
    home = await guarded(zha, adopt=(lamp,))
    assert home.state("sensor", "allowlist") == "1"
    assert home.state("sensor", "unapproved") == "1"
    (name,) = home.attributes("sensor", "unapproved")["devices"]
    assert name == "Emulated Plug"
    await home.call("allow", device=ieee(plug))
    await until(lambda: home.state("sensor", "unapproved") == "0", "The count")
    assert home.state("sensor", "allowlist") == "2"


async def test_devices_wait_for_confirmation_before_adoption(zha: Zha) -> None:
    await zha.admitted(zha.house.lamp())
    home = await guarded(zha, "observe", adopt=None)
    assert home.state("sensor", "unapproved") == "1"
    answer = await home.call("list")
    assert [one["concerns"] for one in answer["unapproved"]] == [["unconfirmed"]]


async def test_each_device_has_a_sensor_of_its_own_that_is_off_by_default_and_goes_with_it(zha: Zha) -> None:
    home = await guarded(zha)
    registry = er.async_get(zha.hass)
    lamp = zha.house.lamp()
    await home.admitted(lamp, "Hall lamp")
    unique_id = f"{home.entry.unique_id}-{ieee(lamp)}-concern"

    def known() -> str | None:
        return registry.async_get_entity_id("binary_sensor", "hubsec", unique_id)

    await until(known, "The device's sensor")
    entity_id = known()
    assert entity_id == "binary_sensor.emulated_stick_security_of_hall_lamp"
    assert registry.entities[entity_id].disabled_by is er.RegistryEntryDisabler.INTEGRATION
    # It is on our device; ZHA's is ZHA's alone.
    assert zha.device_entry(lamp).config_entries == {zha.entry.entry_id}
    assert not dr.async_get(zha.hass).async_get(registry.entities[entity_id].device_id).connections

    registry.async_update_entity(entity_id, disabled_by=None)
    await zha.hass.config_entries.async_reload(home.entry.entry_id)
    await zha.hass.async_block_till_done()
    home = GuardedZha(zha, home.entry)
    assert zha.hass.states.get(entity_id).state == "off"
    await home.call("quarantine", device=ieee(lamp), reason="It blinks.")
    await until(lambda: zha.hass.states.get(entity_id).state == "on", "The problem")
    shown = zha.hass.states.get(entity_id).attributes
    assert shown["concerns"] == ["quarantined"]
    assert shown["device_id"] == zha.device_entry(lamp).id
    assert "It blinks." in shown["security"]

    await home.call("release", device=ieee(lamp))
    await zha.remove(lamp)
    await until(lambda: not zha.knows(lamp), "ZHA's forgetting")
    await home.network.look()
    assert known() is None


# Events


async def test_a_refusal_is_an_event_with_a_sentence_and_the_canary_is_none(zha: Zha) -> None:
    told = async_capture_events(zha.hass, "hubsec_event")
    home = await guarded(zha)
    await zha.reload()
    await zha.hass.async_block_till_done()
    assert [event for event in told if event.data["type"] == "open_refused"] == []
    assert home.attributes("event", "events")["event_type"] != "open_refused"

    with pytest.raises(HomeAssistantError):
        await zha.permit()
    (event,) = [event for event in told if event.data["type"] == "open_refused"]
    assert event.data["entry_id"] == home.entry.entry_id
    assert event.data["network"] == "Emulated stick"
    assert event.data["entity_id"] == home.entity_id("event", "events")
    assert event.data["sentence"].startswith("Refused the host to open the network for whoever comes: ")
    shown = home.attributes("event", "events")
    assert shown["event_type"] == "open_refused"
    assert shown["sentence"] == event.data["sentence"]
    assert "device_id" in shown


async def test_what_would_have_been_done_is_an_event_that_says_so(zha: Zha) -> None:
    told = async_capture_events(zha.hass, "hubsec_event")
    home = await guarded(zha, "observe")
    await zha.permit()
    await zha.close()
    (event,) = [event for event in told if event.data["type"] == "open_refused"]
    assert event.data["enforced"] is False
    shown = home.attributes("event", "events")
    assert shown["event_type"] == "observed"
    assert shown["sentence"] == event.data["sentence"]
    assert shown["sentence"].startswith("Would have refused")


async def test_a_stranger_is_named_by_its_address_block_and_a_known_device_by_its_name(zha: Zha) -> None:
    told = async_capture_events(zha.hass, "hubsec_event")
    home = await guarded(zha)
    stranger, lamp = zha.house.stranger(), zha.house.lamp()
    admitting = zha.hass.async_create_task(home.call("admit", sticker=lamp.sticker, name="Hall lamp"))
    await until(lambda: home.state("binary_sensor", "joining") == "on", "Opening")
    stranger.power_on()
    await until(lambda: any(event.data["type"] == "denied" for event in told), "The refusal")
    event = next(event for event in told if event.data["type"] == "denied")
    assert event.data["device"] == ieee(stranger)
    assert event.data["device_id"] is None
    assert ieee(stranger) in event.data["sentence"]
    stranger.power_off()

    lamp.power_on()
    await admitting
    event = next(event for event in told if event.data["type"] == "joined")
    assert event.data["name"] == "Hall lamp"
    assert event.data["sentence"].startswith("Let Hall lamp in by its install code")
    await home.settled(lamp)
    await home.call("quarantine", device=ieee(lamp), reason="It blinks.")
    event = next(event for event in told if event.data["type"] == "quarantined")
    assert event.data["device_id"] == zha.device_entry(lamp).id


async def test_the_logbook_has_the_sentence_behind_the_networks_name(hass: HomeAssistant, zha: Zha) -> None:
    told = async_capture_events(hass, "hubsec_event")
    home = await guarded(zha)
    with pytest.raises(HomeAssistantError):
        await zha.permit()
    integration = await async_get_integration(hass, "hubsec")
    described: dict[str, tuple[str, Callable[[Event], dict[str, str]]]] = {}
    logbook = await integration.async_get_platform("logbook")
    logbook.async_describe_events(hass, lambda domain, kind, line: described.update({kind: (domain, line)}))
    domain, describe = described["hubsec_event"]
    line = describe(told[-1])
    assert domain == "hubsec"
    assert line["name"] == "Emulated stick"
    assert line["message"].startswith("refused the host to open the network")
    assert line["entity_id"] == home.entity_id("event", "events")


# Triggers


async def test_an_automation_is_triggered_by_name(hass: HomeAssistant, zha: Zha) -> None:
    home = await guarded(zha)
    other = {"trigger": "hubsec.open_refused", "config_entry_id": "another"}
    ours = {"trigger": "hubsec.open_refused", "config_entry_id": home.entry.entry_id}
    said = "{{ trigger.platform }}: {{ trigger.event.data.sentence }}"
    actions = [{"event": "heard", "event_data": {"said": said}}]
    config = {"triggers": [other, ours], "actions": actions}
    assert await async_setup_component(hass, "automation", {"automation": config})
    heard = async_capture_events(hass, "heard")
    with pytest.raises(HomeAssistantError):
        await zha.permit()
    await hass.async_block_till_done()
    (event,) = heard
    assert event.data["said"].startswith("hubsec.open_refused: Refused the host")


@pytest.mark.parametrize(
    ("trigger", "why"),
    [
        (
            {"trigger": "hubsec.nonsense"},
            "hubsec.nonsense is no trigger of hubsec; they are: admission_closed",
        ),
        ({"trigger": "hubsec.denied", "device": "x"}, "A device is named by its EUI64"),
    ],
)
async def test_a_trigger_that_is_none_is_told(
    hass: HomeAssistant, zha: Zha, trigger: dict[str, str], why: str, caplog: pytest.LogCaptureFixture
) -> None:
    await guarded(zha)
    config = {"triggers": trigger, "actions": [{"event": "heard"}]}
    await async_setup_component(hass, "automation", {"automation": config})
    assert "failed to setup triggers and has been disabled" in caplog.text
    assert why in caplog.text


async def test_the_network_offers_its_triggers_to_the_editor(hass: HomeAssistant, zha: Zha) -> None:
    home = await guarded(zha)
    device = dr.async_get(hass).async_get_device({("hubsec", home.entry.unique_id)})
    assert device is not None
    assert await async_setup_component(hass, "device_automation", {})
    offered = await async_get_device_automations(hass, DeviceAutomationType.TRIGGER, device.id)
    ours = {one["type"]: one for one in offered if one["domain"] == "hubsec"}
    assert "denied" in ours
    trigger = {key: value for key, value in ours["open_refused"].items() if key != "metadata"}
    config = {"triggers": trigger, "actions": [{"event": "heard"}]}
    assert await async_setup_component(hass, "automation", {"automation": config})
    heard = async_capture_events(hass, "heard")
    with pytest.raises(HomeAssistantError):
        await zha.permit()
    await hass.async_block_till_done()
    assert len(heard) == 1


# Going


async def test_a_removed_network_leaves_nothing_in_the_registries(hass: HomeAssistant, zha: Zha) -> None:
    home = await guarded(zha)
    await home.admitted(zha.house.lamp(), "Hall lamp")
    assert await hass.config_entries.async_remove(home.entry.entry_id)
    await hass.async_block_till_done()
    assert er.async_entries_for_config_entry(er.async_get(hass), home.entry.entry_id) == []
    assert dr.async_entries_for_config_entry(dr.async_get(hass), home.entry.entry_id) == []
    assert zha.entry.state is ConfigEntryState.LOADED

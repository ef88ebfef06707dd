"""The demo's story (examples/demo.py), by what a user of Home Assistant does and sees."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from guarded import DOMAIN, GuardedZha, guarded
from homeassistant.core import Context
from homeassistant.helpers import device_registry as dr
from zha_house import Zha, ieee, until

from hubsec.events import Denied, Event, Evicted, Quarantined, RogueOpening, Steered
from hubsec_emulated.devices.device import Device
from hubsec_emulated.devices.onoff import Lamp

pytestmark = pytest.mark.usefixtures("enable_custom_integrations")


class Story:
    """A user, and the house."""

    def __init__(self, guard: GuardedZha, admin: Context) -> None:
        self.guard = guard
        self.zha = guard.zha
        self.house = guard.house
        self._admin = admin

    async def act(self, action: str, **data: Any) -> dict[str, Any]:
        """One of hubsec's actions, and its answer."""
        answer = await self.guard.hass.services.async_call(
            DOMAIN, action, data, blocking=True, context=self._admin, return_response=True
        )
        assert isinstance(answer, dict)
        return answer

    async def switch(self, domain: str, service: str, entity_id: str) -> None:
        data = {"entity_id": entity_id}
        await self.guard.hass.services.async_call(domain, service, data, blocking=True)

    def heard[E: Event](self, kind: type[E], device: Device) -> list[E]:
        return [event for event in self.guard.heard(kind) if event.device == ieee(device)]

    def listener_has_the_key(self) -> bool:
        """Whether the sniffer, who holds every public key and hears every frame, can read the network."""
        return any(self.house.sniffer.holds(key) for key in self.house.coordinator.keys.all().values())

    def state(self, entity_id: str) -> str:
        state = self.guard.hass.states.get(entity_id)
        assert state is not None
        return state.state


async def a_lamp_and_a_stranger(story: Story) -> Lamp:
    """A lamp by its sticker, while a stranger tries as well."""
    guard, house = story.guard, story.house
    lamp, stranger = house.lamp(), house.stranger()
    admission = asyncio.create_task(story.act("admit", sticker=lamp.sticker, name="Hall lamp"))
    await until(lambda: guard.network.entrance.open_to, "The opening")
    assert guard.entity("joining") == "on"
    stranger.power_on()
    await until(lambda: story.heard(Denied, stranger), "The stranger's try")
    lamp.power_on()
    answer = await admission
    assert (answer["device"], answer["name"]) == (ieee(lamp), "Hall lamp")
    assert "exposed" not in answer["security"]
    assert lamp.trust_center_link_key_verified
    await guard.works(lamp)
    await until(lambda: story.heard(Steered, lamp), "The lamp's steering")
    assert story.heard(Steered, lamp)[0].closed
    assert not stranger.loot
    assert not story.listener_has_the_key()
    stranger.power_off()
    await guard.stands()
    return lamp


async def a_sensor_through_the_lamp(story: Story, lamp: Lamp) -> Device:
    """Out of the stick's reach."""
    sensor = story.house.sensor(parent=lamp)
    admission = asyncio.create_task(story.act("admit", sticker=sensor.sticker, name="Door sensor"))
    await until(lambda: story.guard.network.entrance.open_to, "The opening")
    sensor.power_on()
    await admission
    assert sensor.nwk.parent == lamp.short
    contact = await story.zha.entity(sensor, "binary_sensor")
    await until(lambda: sensor.is_enrolled, "The enrollment")
    sensor.open()
    await until(lambda: story.state(contact) == "on", "The contact's state")
    assert not story.listener_has_the_key()
    return sensor


async def a_rogue_opening(story: Story) -> None:
    """By a node that has got hold of the network key."""
    insider = story.house.insider()
    insider.open_network()
    await until(lambda: story.heard(RogueOpening, insider), "The rogue opening")
    stranger = story.house.stranger()
    stranger.power_on()
    await story.house.sleep(10)
    assert any(event.closed for event in story.heard(RogueOpening, insider))
    assert story.heard(Quarantined, insider)
    assert not stranger.loot
    stranger.power_off()
    insider.power_off()


async def an_old_plug_knocks(story: Story) -> Device:
    """It has no install code, and is approved by hand."""
    guard, plug = story.guard, story.house.plug(install_code=None)
    await story.act("listen", seconds=60)
    plug.power_on()
    await until(lambda: guard.network.entrance.knocks, "The knock")
    assert set(guard.network.entrance.knocks) == {ieee(plug)}
    assert not plug.has_network_key
    assert not story.listener_has_the_key()
    assert guard.entity("exposed") == "off"
    await story.act("approve", device=ieee(plug), name="Old plug")
    await until(lambda: plug.trust_center_link_key_verified, "The plug's join")
    await story.switch("switch", "turn_on", await story.zha.entity(plug, "switch"))
    assert plug.is_on
    assert story.listener_has_the_key()  # That is what a user is warned of, and what is marked.
    await until(lambda: guard.entity("exposed") == "on", "The mark")
    return plug


@pytest.mark.zigbee_house(record=True)
async def test_the_demos_story(zha: Zha, admin: Context) -> None:
    story = Story(await guarded(zha), admin)
    await story.guard.stands()
    lamp = await a_lamp_and_a_stranger(story)
    sensor = await a_sensor_through_the_lamp(story, lamp)
    await a_rogue_opening(story)
    plug = await an_old_plug_knocks(story)

    # Closed again.
    await story.guard.network.entrance.close()
    await story.guard.stands()
    assert not story.guard.heard(Evicted)
    listed = (await story.act("list"))["allowlist"]
    assert {entry["label"] for entry in listed} == {"Hall lamp", "Door sensor", "Old plug"}
    # Nobody else has ever got as far as Home Assistant.
    there = dr.async_entries_for_config_entry(dr.async_get(zha.hass), zha.entry.entry_id)
    known = {str(zha.app.state.node_info.ieee), *(ieee(device) for device in (lamp, sensor, plug))}
    assert {address for entry in there for _, address in entry.identifiers} == known

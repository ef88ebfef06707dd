"""The Zigbee half of the story: a stick, devices by their install codes, and who else would like to come in."""

from __future__ import annotations

import asyncio

from examples.demo.story import Story
from hubsec import Hub
from hubsec.events import Denied, Event, Exposed, Knocked, Quarantined, RogueOpening, Steered
from hubsec_emulated import House
from hubsec_emulated.devices.device import Device as Thing
from hubsec_emulated.devices.onoff import Lamp
from hubsec_zigbee import Bellows

PATIENCE = 30.0
"""Simulated seconds: longer than any honest device takes for its link key exchange."""


class ZigbeeHouse:
    """The Zigbee half: the house, the hub, and what was seen."""

    def __init__(self, house: House, hub: Hub, stick: Bellows, story: Story) -> None:
        self.house = house
        self.hub = hub
        self.stick = stick
        self.story = story
        self.events: list[Event] = []
        hub.on(Event, self.events.append)

    def seen[E: Event](self, kind: type[E], device: Thing | None = None) -> list[E]:
        return [
            event
            for event in self.events
            if isinstance(event, kind) and (device is None or event.device == identity(device))
        ]

    def listener_has_the_key(self) -> bool:
        """Whether the sniffer, who holds every public key and hears every frame, can read the network."""
        keys = self.house.coordinator.keys.all().values()
        return any(self.house.sniffer.holds(key) for key in keys)

    async def admit(self, thing: Thing, name: str) -> None:
        async with self.hub.admit(thing.sticker, name=name) as admission:
            thing.power_on()
            device = await admission.joined()
        await self._until(lambda: thing.trust_center_link_key_verified)
        self.story.say(f"{device.name}: {device.security}.")
        self.story.check(
            f"The {name} holds the network key and a link key of its own",
            holds=thing.has_network_key and thing.trust_center_link_key_verified,
        )

    async def a_house_forms(self) -> None:
        self.story.chapter(
            "A house forms",
            "bellows starts on an emulated stick and forms a network, which nobody can join yet.",
        )
        posture = await self.hub.posture()
        network = posture.networks[0].state
        for setting, value in sorted(network.settings.items()):
            self.story.note(f"read back: {setting} = {value}")
        self.story.check(
            "The trust center refuses everybody, as read back from the stick", holds=network.closed
        )

    async def a_lamp_and_a_stranger(self) -> Lamp:
        self.story.chapter(
            "A lamp by its sticker, and a stranger",
            "The Hall lamp's QR code is scanned. While the network is open for it, a stranger tries as well, with the key that "
            "everybody knows.",
        )
        lamp, stranger = self.house.lamp(), self.house.stranger()
        stranger.power_on()
        async with self.hub.admit(lamp.sticker, name="Hall lamp") as admission:
            await self._until(lambda: self.seen(Denied, stranger))
            lamp.power_on()
            device = await admission.joined()
        self.story.say(f"{device.name}: {device.security}.")
        for denied in self.seen(Denied, stranger)[:1]:
            self.story.say(f"Refused {denied.device}: {denied.reason}")
        self.story.check("The lamp holds the network key", holds=lamp.has_network_key)
        self.story.check(
            "The stranger got nothing, and was told of",
            holds=not stranger.loot and bool(self.seen(Denied, stranger)),
        )
        self.story.check(
            "A listener with every public key can't read the network", holds=not self.listener_has_the_key()
        )
        await self._until(lambda: self.seen(Steered, lamp))
        steered = self.seen(Steered, lamp)[0]
        self.story.say(
            f"Now that it is in, the lamp tells every router to open for {steered.seconds} s, as Zigbee 3.0 devices do."
        )
        self.story.check("hubsec told the routers to close again", holds=steered.closed)
        stranger.power_off()
        return lamp

    async def a_sensor_through_the_lamp(self, lamp: Thing) -> None:
        self.story.chapter(
            "A sensor through a router",
            "A battery contact sensor is out of the stick's reach. It joins through the lamp, which is sent the key in a tunnel.",
        )
        sensor = self.house.sensor(parent=lamp)
        await self.admit(sensor, "Door sensor")
        self.story.check("It sits behind the lamp", holds=sensor.nwk.parent == lamp.short)
        self.story.check("A listener still can't read the network", holds=not self.listener_has_the_key())

    async def a_rogue_opening(self) -> None:
        self.story.chapter(
            "A rogue opening",
            "A node that has got hold of the network key (out of a thrown-away bulb, say) tells every router to accept strangers, "
            "and a stranger comes.",
        )
        insider = self.house.insider()
        insider.open_network()
        await self._until(lambda: self.seen(RogueOpening, insider))
        stranger = self.house.stranger()
        stranger.power_on()
        await self.house.sleep(10)
        for rogue in self.seen(RogueOpening, insider)[:1]:
            self.story.say(f"{rogue.device} opened the network for {rogue.seconds} s.")
        for quarantined in self.seen(Quarantined, insider)[:1]:
            self.story.say(f"Quarantined {quarantined.device}: {quarantined.reason}")
        self.story.check("It was closed again", holds=any(e.closed for e in self.seen(RogueOpening, insider)))
        self.story.check("The stranger got nothing", holds=not stranger.loot)
        stranger.power_off()
        insider.power_off()

    async def an_old_plug_knocks(self) -> None:
        self.story.chapter(
            "An old plug knocks",
            "It has no install code. An operator listens; the plug asks, gets nothing, and is approved by hand.",
        )
        plug = self.house.plug(install_code=None)
        async with self.hub.listen() as knocks:
            plug.power_on()
            async with asyncio.timeout(PATIENCE):
                knock: Knocked = await anext(knocks)
        owner = f"address block of {knock.maker}" if knock.maker else "address block of an unknown maker"
        self.story.say(f"Knock from {knock.device}, {owner}.")
        self.story.check("Knocking got it nothing", holds=not plug.has_network_key)
        self.story.warn(
            "Its key travels under a key that everybody knows: whoever listens now can read the network from here on."
        )
        async with self.hub.approve(knock, name="Old plug") as admission:
            device = await admission.joined()
        self.story.say(f"{device.name}: {device.security}.")
        self.story.check("It got in at its next try", holds=plug.has_network_key)
        self.story.check(
            "The listener has the network key now, as was said", holds=self.listener_has_the_key()
        )
        posture = await self.hub.posture()
        self.story.check(
            "Event, device and posture say so",
            holds=bool(self.seen(Exposed))
            and "exposed" in str(device.security)
            and posture.networks[0].exposed,
        )

    async def _until(self, happened: object) -> None:
        assert callable(happened)
        await self.house.wait_until(happened, PATIENCE)


def identity(thing: Thing) -> str:
    """Its EUI64, as hubsec spells it."""
    digits = f"{thing.eui64:016x}"
    return ":".join(digits[i : i + 2] for i in range(0, 16, 2))

"""The Z-Wave half of the story: the same hub and policy, on the real Z-Wave JS."""

from __future__ import annotations

import asyncio

from examples.demo.story import Story
from hubsec import Hub
from hubsec.events import Denied, Event, Evicted, Joined, Quarantined, RemovalAwaited
from hubsec_emulated import ZWaveHouse
from hubsec_zwave import ZwaveJs

PATIENCE = 30.0
"""Seconds: an inclusion takes about one."""


class ZWaveStory:
    """The Z-Wave half: the house, the hub, and what was seen."""

    def __init__(self, house: ZWaveHouse, hub: Hub, radio: ZwaveJs, story: Story) -> None:
        self.house = house
        self.hub = hub
        self.radio = radio
        self.story = story
        self.events: list[Event] = []
        hub.on(Event, self.events.append)

    def seen[E: Event](self, kind: type[E], device: str | None = None) -> list[E]:
        return [e for e in self.events if isinstance(e, kind) and (device is None or e.device == device)]

    async def a_lock_by_its_dsk(self) -> None:
        self.story.chapter(
            "A lock by its DSK",
            "The same hub guards a Z-Wave JS server. A lock's DSK is typed in from its label; somebody presses the button on the lock.",
        )
        lock = self.house.lock()
        async with self.hub.admit(lock.dsk, name="Front door", device_class="lock") as admission:
            lock.press_button()
            device = await admission.joined()
        self.story.say(f"{device.name}: {device.security}.")
        self.story.check(
            "The lock holds the key of S2 Access Control, and no other",
            holds=lock.keys_held == {"S2_AccessControl"},
        )

    async def a_lamp_and_an_impostor(self) -> None:
        self.story.chapter(
            "A lamp by SmartStart, and an impostor",
            "A lamp's QR code is scanned, to let it in once it has power. Before that, another device asks to be let in as that lamp.",
        )
        lamp = self.house.lamp()
        impostor = self.house.impostor(lamp)
        async with self.hub.admit(lamp.sticker, name="Porch lamp") as admission:
            impostor.power_on()
            await self._until(lambda: impostor.node_id is not None)
            address = f"{self.house.home_id:08x}:{impostor.node_id}"
            await self._until(lambda: self.seen(Quarantined, address))
            impostor.power_off()
            lamp.power_on()
            device = await admission.joined()
        self.story.say(f"{device.name}: {device.security}.")
        self.story.say(f"Quarantined {address}: {self.seen(Quarantined, address)[0].reason}")
        self.story.check("The lamp holds keys", holds=bool(lamp.keys_held))
        self.story.check("The impostor is on the network without a key", holds=not impostor.keys_held)
        await self._until(lambda: self.seen(Evicted, address))
        self.story.check(
            "Once it was switched off, the controller struck it off",
            holds=self.seen(Evicted, address)[0].confirmed,
        )

    async def a_stranger_comes_first(self) -> None:
        self.story.chapter(
            "A stranger presses its button first",
            "While the network is open for a plug, somebody else's device comes, one without any security.",
        )
        plug, stranger = self.house.plug(), self.house.plug(security="none", name="stranger")
        async with self.hub.admit(plug.dsk, name="Garden plug") as admission:
            stranger.press_button()
            await self._until(lambda: stranger.node_id is not None)
            address = f"{self.house.home_id:08x}:{stranger.node_id}"
            await self._until(lambda: self.seen(Quarantined, address))
            plug.press_button()
            device = await admission.joined()
        self.story.say(f"{device.name}: {device.security}.")
        self.story.say(f"Quarantined {address}: {self.seen(Quarantined, address)[0].reason}")
        self.story.check(
            "The stranger got no key, and nothing of it reaches anybody", holds=not stranger.keys_held
        )
        self.story.warn(
            "Nothing that is sent makes a living Z-Wave device leave: somebody has to press its button, or to switch it off."
        )
        await self.hub.evict(address)
        for awaited in self.seen(RemovalAwaited, address)[-1:]:
            self.story.check(
                "The network lets go of whoever presses a button now",
                holds=awaited.excluding_until is not None,
            )
        await asyncio.sleep(1)
        stranger.press_button()
        await self._until(lambda: self.seen(Evicted, address))
        self.story.check("Its button was pressed, and it is gone", holds=stranger.node_id is None)

    async def a_downgrade(self) -> None:
        self.story.chapter(
            "A lock that asks for less",
            "Another lock asks for S2 Authenticated only, as one does that has been tampered with. It is in the hand of whoever "
            "installs it, and its label is right.",
        )
        lock = self.house.lock()
        weak = self.house.lock(requests=("S2_Authenticated",), name="weak lock")
        async with self.hub.admit(weak.dsk, name="Back door", device_class="lock"):
            weak.press_button()
            await self._until(lambda: weak.node_id is not None)
            address = f"{self.house.home_id:08x}:{weak.node_id}"
            await self._until(lambda: self.seen(Quarantined, address))
        for denied in self.seen(Denied, address)[:1]:
            self.story.say(f"Refused {denied.device}: {denied.reason}")
        self.story.check("It got no key", holds=not weak.keys_held)
        self.story.check("It did not join", holds=not any(e.name == "Back door" for e in self.seen(Joined)))
        assert lock.node_id is None

    async def both_networks(self) -> None:
        self.story.chapter(
            "Both networks", "One hub, one policy, one list of who may be here, one bus that tells it all."
        )
        posture = await self.hub.posture()
        for network in posture.networks:
            shut = "closed" if network.state.closed else "open"
            self.story.say(f"{network.radio} ({network.state.network}, {network.state.network_id}): {shut}.")
            for device in network.state.leaving:
                self.story.say(f"{device} is to leave, and shut off until it has.")
        self.story.check(
            "Nobody can join either of them", holds=all(n.state.closed for n in posture.networks)
        )
        for device in self.hub.devices():
            called = "" if device.name == device.identity else f" ({device.identity})"
            self.story.say(f"{device.name}{called}: {device.security}")

    async def _until(self, happened: object) -> None:
        assert callable(happened)
        await self.house.wait_until(happened, PATIENCE)

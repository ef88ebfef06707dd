"""A change of the Zigbee network's key: what somebody who has left can still read, and from when on nothing."""

from __future__ import annotations

from examples.demo.story import Story
from examples.demo.zigbee import ZigbeeHouse, identity
from hubsec import Hub
from hubsec.events import KeyDelivered, RotationStepped
from hubsec.rotation.shapes import Delivery, Outcome, RotationPlan, Way
from hubsec_emulated import House
from hubsec_emulated.devices.onoff import Lamp
from hubsec_emulated.evictee import Evictee

EVENING = 30.0
"""Simulated seconds in which a house goes about its business, and somebody may listen."""
ATTACK = 20.0
"""Simulated seconds for an attack to have its answer."""


class KeysStory:
    """The chapters about the key. `first` told how the house came about."""

    def __init__(self, house: House, hub: Hub, story: Story, first: ZigbeeHouse) -> None:
        self.house = house
        self.hub = hub
        self.story = story
        self.first = first
        self.leaver: Evictee | None = None

    async def a_lodger_moves_out(self, lamp: Lamp) -> None:
        """Evicted, it still holds the key."""
        self.story.chapter(
            "A lodger moves out",
            "Their plug came by its sticker. It is evicted, and goes; but it has recorded every frame since it came, and forgets no key.",
        )
        plug = self.leaver = self.house.evictee()
        await self.first.admit(plug, "Lodger's plug")
        await self.hub.evict(identity(plug), reason="The lodger has moved out.")
        await self.house.wait_until(lambda: plug.gone)
        await self._an_evening(lamp)
        opened = plug.read(plug.left_at or 0.0)
        self.story.warn(f"{opened} frames of that evening open with the key that it kept.")
        self.story.check("Evicting it did not make it forget the key", holds=opened > 0)

    async def a_new_key(self, lamp: Lamp) -> None:
        """Rotated out."""
        self.story.chapter(
            "A new key for everybody else",
            "First a dry run: who gets the key, who sleeps, who is left out. Then a key to each device under its own link key, and a second one "
            "behind it, so that the old one is overwritten everywhere.",
        )
        plug = self.leaver
        if plug is None:
            raise RuntimeError
        plan = await self.hub.plan_rotation(way=Way.UNICAST)
        self._tell(plan)
        self.story.check("The dry run has no objection", holds=plan.heals and not plan.why_not)
        rotation = await self.hub.rotate(plan, reason="The lodger has moved out.")
        told = len(plan.devices) * (rotation.progress.rounds + 1)  # Given each key, and asked under the last.
        with self.story.bar("new key", told) as advance:
            done = [
                self.hub.on(RotationStepped, lambda event: advance(f"{event.step}, key {event.round}")),
                self.hub.on(KeyDelivered, lambda event: advance(event.delivery, 1)),
            ]
            ended = await rotation.ended()
            for unsubscribe in done:
                unsubscribe()
        switched = self.house.clock.now()
        for name, device in sorted((name, device) for device, name in ended.names.items()):
            self.story.say(f"{name}: {ended.deliveries[device]}.")
        self.story.check(
            "Every device that was to have the new key answers under it",
            holds=ended.outcome is Outcome.ROTATED
            and not ended.stragglers
            and Delivery.CONFIRMED in ended.deliveries.values(),
        )
        await self._an_evening(lamp)
        opened = plug.read(switched)
        self.story.say(f"{opened} frames of the evening after that open with everything that the plug kept.")
        self.story.check("Its recording is shut from the switch on", holds=opened == 0)
        await self._it_tries_everything(plug, lamp)

    async def _it_tries_everything(self, plug: Evictee, lamp: Lamp) -> None:
        plug.sneak_in()
        plug.switch(lamp, on=not lamp.is_on)
        await self.house.sleep(ATTACK)
        plug.speak_as_coordinator(lamp, on=not lamp.is_on)
        await self.house.sleep(ATTACK)
        for secured in (True, False):
            plug.come_back(secured=secured)
            await self.house.sleep(ATTACK)
        plug.power_off()
        self.story.check(
            "It can't switch the lamp, speak as the coordinator, or come back",
            holds=not plug.loot.commands and not plug.loot.network_keys,
        )

    async def _an_evening(self, lamp: Lamp) -> None:
        """The lamp is switched, and tells."""
        native = self.first.stick.device(identity(lamp))
        for _ in range(2):
            await native.endpoints[1].on_off.toggle()
            await self.house.sleep(EVENING / 2)

    def _tell(self, plan: RotationPlan) -> None:
        for device in plan.devices:
            advice = f" {device.advice}" if device.advice else ""
            self.story.say(f"{device.name}: {device.outlook}.{advice}")
        for reason in plan.why_not:
            self.story.warn(reason)

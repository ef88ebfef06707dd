"""First light: a house without hardware, told step by step.

Everything here is real but the radio waves: unmodified bellows and zigpy drive a coordinator, devices join over 802.15.4 frames with
real cryptography, hubsec decides. What it leaves in `build/demo/`: `zigbee.pcap` (every frame; opens in Wireshark), `keys.txt` (its keys,
for Wireshark's `zigbee_pc_keys`), `hostile.json` (which frames hostile nodes sent), `events.jsonl`, `report.md` (all of it, and how to look at it).

Exits with 1 if anything went otherwise than told.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import sys
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import msgspec
from rich.console import Console
from rich.markup import escape
from rich.padding import Padding

from hubsec import Hub, __version__
from hubsec.events import Denied, Event, Exposed, Knocked, Quarantined, RogueOpening, Steered
from hubsec.events_json import to_json
from hubsec_emulated import House
from hubsec_emulated.devices.device import Device as Thing
from hubsec_zigbee import Bellows

SEED = 2026
PATIENCE = 30.0
"""Simulated seconds: longer than any honest device takes for its link key exchange."""
HOW_TO_LOOK = """
## How to look at it

**The capture, `zigbee.pcap`.** Open it in Wireshark. Without its keys most frames are shut, as they are for a listener. To open them, copy the
lines of `keys.txt` into the file `zigbee_pc_keys` in Wireshark's personal configuration folder (Help, About Wireshark, Folders) while
Wireshark is closed. Or enter a key by hand in Preferences, Protocols, ZigBee, Pre-configured Keys, byte order Normal. Give Wireshark the
first two lines only, the keys that everybody knows, to see what any listener sees: no secured frame opens until the old plug is approved.

**The attackers' frames, `hostile.json`.** One object for each frame that a hostile node sent: its number in the capture, counted from 1 as
Wireshark does, and who sent it. These are the frames that may stay shut even with `keys.txt`, since attackers send what they like.

**What hubsec said, `events.jsonl`.** One event on each line, in order, as `hubsec.events_json` writes them.
"""


@dataclass
class Story:
    """Tells what happens, and notes what went otherwise."""

    console: Console
    lines: list[str] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)
    chapters: int = 0

    def _print(self, text: str) -> None:
        """Under its chapter, in a narrow terminal as well."""
        self.console.print(Padding(text, (0, 0, 0, 3), expand=False))

    def chapter(self, title: str, text: str) -> None:
        self.chapters += 1
        self.console.print(f"\n[bold]{self.chapters}. {escape(title)}[/bold]")
        self._print(f"[dim]{escape(text)}[/dim]")
        self.lines += ["", f"## {self.chapters}. {title}", "", text, ""]

    def say(self, text: str) -> None:
        self._print(escape(text))
        self.lines.append(f"- {text}")

    def note(self, text: str) -> None:
        """For the report alone."""
        self.lines.append(f"- {text}")

    def warn(self, text: str) -> None:
        self._print(f"[yellow]! {escape(text)}[/yellow]")
        self.lines.append(f"- **Warning:** {text}")

    def check(self, claim: str, *, holds: bool) -> None:
        mark, style = ("✓", "green") if holds else ("✗", "bold red")
        self._print(f"[{style}]{mark}[/{style}] {escape(claim)}")
        self.lines.append(f"- {mark} {claim}")
        if not holds:
            self.failed.append(claim)


class Demo:
    """One run: the house, the hub, and what was seen."""

    def __init__(self, house: House, hub: Hub, story: Story) -> None:
        self.house = house
        self.hub = hub
        self.story = story
        self.events: list[Event] = []
        hub.on(Event, self.events.append)

    def seen[E: Event](self, kind: type[E], device: Thing | None = None) -> list[E]:
        return [
            event
            for event in self.events
            if isinstance(event, kind) and (device is None or event.device == _identity(device))
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

    async def a_lamp_and_a_stranger(self) -> Thing:
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

    async def closed_again(self) -> None:
        self.story.chapter("Closed again", "Nobody is awaited any more.")
        network = (await self.hub.posture()).networks[0].state
        self.story.check(
            "The trust center refuses everybody, as read back from the stick", holds=network.closed
        )
        for device in self.hub.devices():
            self.story.say(f"{device.name} ({device.identity}): {device.security}")

    async def _until(self, happened: object) -> None:
        assert callable(happened)
        await self.house.wait_until(happened, PATIENCE)


def _identity(thing: Thing) -> str:
    digits = f"{thing.eui64:016x}"
    return ":".join(digits[i : i + 2] for i in range(0, 16, 2))


async def run(folder: Path, story: Story) -> None:
    """Live through the story and leave its records in `folder`."""
    async with House(seed=SEED) as house:
        house.pcap(folder / "zigbee.pcap")
        radio = Bellows(house.url, config={"network": {"channel": 15}})
        async with Hub(radio, policy="home", home=folder / "hub") as hub:
            demo = Demo(house, hub, story)
            await demo.a_house_forms()
            lamp = await demo.a_lamp_and_a_stranger()
            await demo.a_sensor_through_the_lamp(lamp)
            await demo.a_rogue_opening()
            await demo.an_old_plug_knocks()
            await demo.closed_again()
            await house.settled()
            (folder / "events.jsonl").write_bytes(b"".join(to_json(e) + b"\n" for e in demo.events))
        (folder / "keys.txt").write_text(house.keys(), encoding="utf-8")
        hostile = [{"frame": frame.number, "sender": frame.sender} for frame in house.hostile_frames]
        rows = b",\n".join(msgspec.json.encode(row) for row in hostile)
        (folder / "hostile.json").write_bytes(b"[\n" + rows + b"\n]\n")
        heard = house.sniffer.report()
        story.chapter(
            "What is left",
            f"In {folder}: a capture that Wireshark opens, its keys, the events, and a report.",
        )
        story.say(f"{heard.frames} frames on the air, {len(hostile)} of them from hostile nodes.")
        story.check("No frame was malformed", holds=heard.malformed == 0)


def main() -> int:
    """Run the story; 0 if all went as told."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--folder", type=Path, default=Path("build/demo"), help="where the records go")
    folder: Path = parser.parse_args().folder
    logging.basicConfig(level=logging.ERROR)
    folder.mkdir(parents=True, exist_ok=True)
    for old in sorted(folder.rglob("*"), reverse=True):
        old.unlink() if old.is_file() else old.rmdir()
    console = Console(highlight=False)
    story = Story(console)
    begun = time.monotonic()
    try:
        asyncio.run(run(folder, story))
    except Exception as error:  # noqa: BLE001 - whatever it is, the report is to say so
        story.check(f"It went on to the end: {type(error).__name__}: {error}", holds=False)
    took = time.monotonic() - begun
    verdict = "All went as told." if not story.failed else f"{len(story.failed)} went otherwise."
    report = [
        "# What happened in the emulated house",
        *story.lines,
        HOW_TO_LOOK,
        f"**{verdict}** hubsec {__version__}, {datetime.now(UTC):%Y-%m-%d}, seed {SEED}.",
        "",
    ]
    (folder / "report.md").write_text("\n".join(report), encoding="utf-8")
    console.print(
        f"\n[bold]{verdict}[/bold] It took {took:.0f} s. Read {folder}/report.md, or open {folder}/zigbee.pcap."
    )
    return 1 if story.failed else 0


if __name__ == "__main__":
    sys.exit(main())

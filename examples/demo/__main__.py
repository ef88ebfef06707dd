"""First light: a house without hardware, told step by step.

Everything here is real but the radio waves. Unmodified bellows and zigpy drive a coordinator, devices join over 802.15.4 frames with
real cryptography. The unmodified Z-Wave JS driver and server include devices by real S2. hubsec decides, for both. What it leaves in
`build/demo/`: `zigbee.pcap` (every Zigbee frame; opens in Wireshark), `keys.txt` (its keys, for Wireshark's `zigbee_pc_keys`),
`hostile.json` (which frames hostile nodes sent), `events.jsonl`, `report.md` (all of it, and how to look at it).

Exits with 1 if anything went otherwise than told.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

import msgspec
from rich.console import Console

from examples.demo.keys import KeysStory
from examples.demo.story import Story
from examples.demo.zigbee import ZigbeeHouse
from examples.demo.zwave import ZWaveStory
from hubsec import Hub, Rotating, __version__
from hubsec.events import Event
from hubsec.events_json import to_json
from hubsec.rotation.machine import Pace
from hubsec_emulated import House, ZWaveHouse
from hubsec_emulated.house import DEFAULT_SCALE
from hubsec_zigbee import Bellows
from hubsec_zwave import Limits, ZwaveJs

SEED = 2026
QUICK = Limits(look=0.1, mirror=1.0, remove_first=2.0)
"""The emulated devices are quick as well."""
ROTATING = Rotating(pace=Pace().scaled(DEFAULT_SCALE))
"""The emulated air is as much quicker than a real one."""
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


async def run(folder: Path, story: Story) -> None:
    """Live through the story and leave its records in `folder`."""
    async with House(seed=SEED) as zigbee, ZWaveHouse(seed=SEED) as zwave:
        zigbee.pcap(folder / "zigbee.pcap")
        stick = Bellows(zigbee.url, config={"network": {"channel": 15}})
        server = ZwaveJs(zwave.url, limits=QUICK)
        async with Hub(stick, server, policy="home", home=folder / "hub", rotating=ROTATING) as hub:
            events: list[Event] = []
            hub.on(Event, events.append)
            first = ZigbeeHouse(zigbee, hub, stick, story)
            await first.a_house_forms()
            lamp = await first.a_lamp_and_a_stranger()
            await first.a_sensor_through_the_lamp(lamp)
            await first.a_rogue_opening()
            keys = KeysStory(zigbee, hub, story, first)
            await keys.a_lodger_moves_out(lamp)
            await keys.a_new_key(lamp)
            await first.an_old_plug_knocks()
            second = ZWaveStory(zwave, hub, server, story)
            await second.a_lock_by_its_dsk()
            await second.a_lamp_and_an_impostor()
            await second.a_stranger_comes_first()
            await second.a_downgrade()
            await second.both_networks()
            await zigbee.settled()
            (folder / "events.jsonl").write_bytes(b"".join(to_json(e) + b"\n" for e in events))
        (folder / "keys.txt").write_text(zigbee.keys(), encoding="utf-8")
        hostile = [{"frame": frame.number, "sender": frame.sender} for frame in zigbee.hostile_frames]
        rows = b",\n".join(msgspec.json.encode(row) for row in hostile)
        (folder / "hostile.json").write_bytes(b"[\n" + rows + b"\n]\n")
        heard = zigbee.sniffer.report()
        story.chapter(
            "What is left",
            f"In {folder}: a capture that Wireshark opens, its keys, the events, and a report.",
        )
        story.say(f"{heard.frames} Zigbee frames on the air, {len(hostile)} of them from hostile nodes.")
        story.check("No frame was malformed", holds=heard.malformed == 0)


def main() -> int:
    """Run the story; 0 if all went as told."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--folder", type=Path, default=Path("build/demo"), help="where the records go")
    folder: Path = parser.parse_args().folder
    logging.basicConfig(level=logging.ERROR, format="%(message)s")
    # It says when it has to install something first.
    logging.getLogger("hubsec_emulated").setLevel(logging.WARNING)
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

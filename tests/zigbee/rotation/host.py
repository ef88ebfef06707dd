"""A host in a process of its own, to be killed: `python -m tests.zigbee.rotation.host URL FOLDER SCALE [rotate]`.

It opens a hub on the stick at URL, begins a unicast rotation if told to, and says on standard output where it stands, a
line for each step. It ends by itself when the rotation has.
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from hubsec import Hub
from hubsec.events import RotationStepped
from hubsec.rotation.machine import Pace
from hubsec.rotation.shapes import Way
from hubsec.rotation.triggers import Rotating
from hubsec_zigbee import Bellows
from hubsec_zigbee.limits import Limits

PATIENCE = 300.0
"""Simulated seconds that each phase waits."""


def a_hub(url: str, folder: Path, scale: float) -> Hub:
    """On a house that runs `scale` times as fast."""
    limits = Limits(probe_wait=2.0, sleepy_wait=3.0, time_scale=scale)
    radio = Bellows(
        url,
        database=folder / "zigbee.db",
        limits=limits,
        config={
            "network": {"channel": 15},
            "backup_enabled": False,
            "validate_network_settings": True,
        },
    )
    rotating = Rotating(patience=PATIENCE / scale, pace=Pace().scaled(scale))
    return Hub(radio, policy="home", home=folder / "hub", rotating=rotating)


async def main(url: str, folder: Path, scale: float, *, rotate: bool) -> None:
    """See the module."""
    hub = a_hub(url, folder, scale)
    hub.on(RotationStepped, lambda event: say(f"{event.step} {event.round}"))
    async with hub:
        rotation = await hub.rotate(way=Way.UNICAST, anyway=True) if rotate else hub.rotation()
        if rotation is None:
            say("nothing to go on with")
            return
        ended = await rotation.ended()
        say(f"{ended.outcome} {len(ended.stragglers)}")


def say(line: str) -> None:
    """To whoever waits for it."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], Path(sys.argv[2]), float(sys.argv[3]), rotate="rotate" in sys.argv[4:]))

"""Whole joins: sticker, decision on disk, key, link key exchange, on an emulated stick that unmodified bellows drives.

One after the other, each with an admission of its own. Emulated time runs faster than real time, but not so fast that a
busy machine misses the time limits of a join; most of what is measured is that time. With more than some dozens of
routers it would be the emulation: each of them repeats every broadcast, as it must.
"""

from __future__ import annotations

import asyncio
import logging
import tempfile
import time

from benchmarks.harness import Row
from hubsec import Hub
from hubsec_emulated import House
from hubsec_zigbee import Bellows
from hubsec_zigbee.limits import Limits

DEVICES = 20
SCALE = 20.0
"""Simulated seconds per second."""


async def join_all(devices: int) -> float:
    """Seconds for all of them."""
    with tempfile.TemporaryDirectory() as folder:
        async with House(seed=1, scale=SCALE) as house:
            radio = Bellows(house.url, limits=Limits(time_scale=SCALE))
            async with Hub(radio, policy="home", home=folder) as hub:
                lamps = [house.lamp() for _ in range(devices)]
                started = time.perf_counter()
                for number, lamp in enumerate(lamps):
                    async with hub.admit(lamp.sticker, name=f"Lamp {number}") as admission:
                        lamp.power_on()
                        await admission.joined()
                return time.perf_counter() - started


def run() -> list[Row]:
    """The line of the table."""
    for name in ("zigpy", "bellows", "hubsec_zigbee"):
        logging.getLogger(name).setLevel(logging.ERROR)
    taken = asyncio.run(join_all(DEVICES))
    return [Row(name=f"joins, {DEVICES} devices", value=round(DEVICES / taken, 2), unit="joins/s")]

"""Whole joins: sticker, decision on disk, key, link key exchange, and zigpy's interview, on an emulated
stick.

Unmodified bellows drives it. One device after the other, each with an admission of its own: a hundred of
them, a tenth lamps that route, the rest locks behind whoever has room. Emulated time runs faster than real
time, but not so fast that a busy machine misses the time limits of a join; most of what is measured is that
time.
"""

import asyncio
import logging
import tempfile
import time

from benchmarks.harness import Row
from hubsec import Hub
from hubsec_emulated import House
from hubsec_zigbee import Bellows
from hubsec_zigbee.limits import Limits

DEVICES = 100
ROUTERS = 10
SCALE = 20.0
"""Simulated seconds per second."""
LOOK = 0.005


async def join_all(devices: int, routers: int) -> float:
    """Seconds until the last of them is interviewed."""
    with tempfile.TemporaryDirectory() as folder:
        async with House(seed=1, scale=SCALE) as house:
            radio = Bellows(house.url, config={"network": {"channel": 15}}, limits=Limits(time_scale=SCALE))
            async with Hub(radio, policy="home", home=folder) as hub:
                things = [house.lamp() if number < routers else house.lock() for number in range(devices)]
                started = time.perf_counter()
                for number, thing in enumerate(things):
                    async with hub.admit(thing.sticker, name=f"Device {number}") as admission:
                        thing.power_on()
                        device = await admission.joined()
                    native = radio.device(device.identity)
                    while not native.is_initialized:  # noqa: ASYNC110 - zigpy has nothing to wait for
                        await asyncio.sleep(LOOK)
                return time.perf_counter() - started


def run() -> list[Row]:
    """The line of the table."""
    for name in ("zigpy", "bellows", "hubsec_zigbee"):
        logging.getLogger(name).setLevel(logging.ERROR)
    taken = asyncio.run(join_all(DEVICES, ROUTERS))
    return [
        Row(name=f"joins and interviews, {DEVICES} devices", value=round(DEVICES / taken, 2), unit="joins/s")
    ]

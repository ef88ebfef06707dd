"""``hubsec emulate zwave``: an emulated Z-Wave network behind a real Z-Wave JS server."""

from __future__ import annotations

import asyncio
import json
import math
import os
import signal
import sys
from contextlib import suppress
from typing import Annotated, Final

import typer

from hubsec_emulated.errors import EmulationError
from hubsec_emulated.orders import Order, read_orders
from hubsec_emulated.zwave.device import ZWaveDevice
from hubsec_emulated.zwave.house import KINDS, MAX_NODES, ZWaveHouse

MAX_SCALE: Final = 100.0
"""Beyond this a device repeats itself before a real host has answered."""
MAX_TX_DELAY: Final = 1000
"""Milliseconds: with more, hosts give up on an acknowledgement."""
_LINE: Final = 4096


def zwave(
    devices: Annotated[
        list[str] | None,
        typer.Argument(help="What is in the house: lamp, plug, sensor, lock; lamp=3 for three of them."),
    ] = None,
    *,
    port: Annotated[
        int, typer.Option(min=0, max=65_535, help="TCP port of the server; 0 takes a free one.")
    ] = 0,
    seed: Annotated[int, typer.Option(help="The same seed gives the same keys and DSKs.")] = 1,
    scale: Annotated[
        float, typer.Option(help="How much faster than real devices they repeat themselves.")
    ] = 1.0,
    tx_delay: Annotated[
        int, typer.Option(min=0, max=MAX_TX_DELAY, help="Milliseconds that a frame takes on the air.")
    ] = 10,
    included: Annotated[
        bool, typer.Option("--included", help="They are on the network already, with their keys.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Say it as one line of JSON.")] = False,
) -> None:
    """Run a Z-Wave network until interrupted; print the server's URL, and every device's sticker.

    A device's name on standard input presses its button.
    """
    orders = read_orders(devices or (), list(KINDS), MAX_NODES)
    if not 0 < scale <= MAX_SCALE:
        raise EmulationError(f"--scale is above 0 and at most {MAX_SCALE:g}, not {scale:g}.")
    nodes: dict[str, int] = {}
    if included:
        for order in orders:
            nodes[order.kind] = nodes.get(order.kind, 0) + order.count
    house = ZWaveHouse(seed=seed, scale=scale, tx_delay=tx_delay, port=port, nodes=nodes)
    with suppress(KeyboardInterrupt, asyncio.CancelledError):
        asyncio.run(_run(house, () if included else orders, as_json=as_json))


async def _run(house: ZWaveHouse, orders: list[Order] | tuple[()], *, as_json: bool) -> None:
    task = asyncio.current_task()
    loop = asyncio.get_running_loop()
    if task is not None:
        loop.add_signal_handler(signal.SIGTERM, task.cancel)
    async with house:
        make = {"lamp": house.lamp, "plug": house.plug, "sensor": house.sensor, "lock": house.lock}
        placed = [make[order.kind]() for order in orders for _ in range(order.count)]
        typer.echo(_as_json(house) if as_json else _as_text(house))
        for device in placed:
            device.power_on()
        with suppress(OSError):  # there is no standard input, or it is a file
            loop.add_reader(sys.stdin, _press, house, loop)
        try:
            await house.wait_until(lambda: False, math.inf)
        finally:
            loop.remove_reader(sys.stdin)


def _press(house: ZWaveHouse, loop: asyncio.AbstractEventLoop) -> None:
    typed = os.read(sys.stdin.fileno(), _LINE)
    if not typed:
        loop.remove_reader(sys.stdin)
        return
    for name in typed.decode(errors="replace").splitlines():
        for device in house.devices:
            if device.name == name.strip():
                device.press_button()


def _as_text(house: ZWaveHouse) -> str:
    width = max((len(device.name) for device in house.devices), default=0)
    lines = [
        house.url,
        *(f"{device.name:{width}}  {device.dsk}  {device.sticker}" for device in house.devices),
    ]
    next_step = f"Connect a client to {house.url}."
    if house.devices:
        next_step += " The devices ask to be let in by SmartStart; type a name to press its button."
    return "\n".join([*lines, f"{next_step} Ctrl-C ends it."])


def _as_json(house: ZWaveHouse) -> str:
    def shown(device: ZWaveDevice) -> dict[str, str]:
        return {"name": device.name, "dsk": device.dsk, "pin": device.pin, "sticker": device.sticker}

    return json.dumps({"url": house.url, "devices": [shown(device) for device in house.devices]})

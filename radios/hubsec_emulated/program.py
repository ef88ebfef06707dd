"""``hubsec emulate``, and of it ``zigbee``: a network behind a TCP port, for any host that speaks EZSP."""

from __future__ import annotations

import asyncio
import json
import signal
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Final

import typer

from hubsec_emulated.devices.device import Device
from hubsec_emulated.errors import EmulationError
from hubsec_emulated.house import House
from hubsec_emulated.ncp.ezsp import DEFAULT_VERSION, SUPPORTED_VERSIONS
from hubsec_emulated.ncp.server import LOOPBACK
from hubsec_emulated.ncp.tokens import Tokens
from hubsec_emulated.orders import Order, read_orders
from hubsec_emulated.stack.joining import JoinState
from hubsec_emulated.wire.addresses import format_eui64
from hubsec_emulated.zwave.command import zwave

MAX_DEVICES: Final = 100
"""Most devices in a house: so many keep the emulation in time with its clock on a small machine."""
MAX_SCALE: Final = 1000.0
"""Beyond this, hosts' own timeouts end before an emulated device has answered."""
PRESS_AGAIN: Final = 5.0
"""Simulated seconds after which a device that gave up looking for a network has its button pressed again."""

app = typer.Typer(help="Run an emulated radio.", no_args_is_help=True)
app.command()(zwave)


class Kind(StrEnum):
    """What can be put into the house."""

    LAMP = "lamp"
    PLUG = "plug"
    SENSOR = "sensor"
    LOCK = "lock"
    STRANGER = "stranger"


@app.callback()
def emulate() -> None:
    """Run an emulated radio."""


@app.command()
def zigbee(
    devices: Annotated[
        list[str] | None,
        typer.Argument(
            help="What is in the house: lamp, plug, sensor, lock, stranger; lamp=3 for three of them."
        ),
    ] = None,
    *,
    port: Annotated[int, typer.Option(min=0, max=65_535, help="TCP port; 0 takes a free one.")] = 0,
    host: Annotated[
        str, typer.Option(help="Address to listen on; whoever reaches it owns the radio.")
    ] = LOOPBACK,
    seed: Annotated[int, typer.Option(help="The same seed gives the same addresses, codes and losses.")] = 1,
    scale: Annotated[float, typer.Option(help="Simulated seconds per second.")] = 1.0,
    loss: Annotated[float, typer.Option(help="Share of frames that the air loses, 0 to 1.")] = 0.0,
    ezsp: Annotated[int, typer.Option(help="EZSP version: 13, 14 or 18.")] = DEFAULT_VERSION,
    tokens: Annotated[
        Path | None,
        typer.Option(help="File for the stick's memory, keys included; without it the stick is blank."),
    ] = None,
    pcap: Annotated[Path | None, typer.Option(help="File to record the air to.")] = None,
    keys: Annotated[
        Path | None, typer.Option(help="File for all keys at the end, as Wireshark's zigbee_pc_keys.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Say it as one line of JSON.")] = False,
) -> None:
    """Run a Zigbee network until interrupted; print the URL for the host, and every device's sticker."""
    orders = read_orders(devices or (), list(Kind), MAX_DEVICES)
    if ezsp not in SUPPORTED_VERSIONS:
        raise EmulationError(f"--ezsp is one of {', '.join(map(str, SUPPORTED_VERSIONS))}, not {ezsp}.")
    if not 0 <= loss <= 1:
        raise EmulationError(f"--loss is a probability from 0 to 1, not {loss:g}.")
    if not 0 < scale <= MAX_SCALE:
        raise EmulationError(f"--scale is above 0 and at most {MAX_SCALE:g}, not {scale:g}.")
    memory = Tokens()
    if tokens is not None:
        with _file("--tokens", tokens):
            memory = Tokens.load(tokens)
            memory.save()
    if keys is not None:
        # Not after hours, at the end, to say that there was no place for them.
        with _file("--keys", keys):
            keys.touch(mode=0o600)
    house = House(
        seed=seed,
        scale=scale,
        loss=loss,
        version=ezsp,
        tokens=memory,
        host=host,
        port=port,
        record=False,  # it may run for weeks
    )
    with suppress(KeyboardInterrupt, asyncio.CancelledError):
        asyncio.run(_run(house, orders, pcap, keys, as_json=as_json))


async def _run(
    house: House, orders: list[Order], pcap: Path | None, keys: Path | None, *, as_json: bool
) -> None:
    task = asyncio.current_task()
    if task is not None:
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    async with house:
        if pcap is not None:
            house.pcap(pcap)
        placed = [_place(house, Kind(order.kind)) for order in orders for _ in range(order.count)]
        typer.echo(_as_json(house, placed) if as_json else _as_text(house, placed))
        for device in placed:
            device.power_on()
        try:
            while True:
                await house.sleep(PRESS_AGAIN)
                for device in placed:
                    if not device.joined and device.joining.state is JoinState.IDLE:
                        device.joining.steer()
        finally:
            if keys is not None:
                _write_keys(house, keys)


@contextmanager
def _file(option: str, path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise EmulationError(f"{option}: {path} can't be used: {error.strerror}.") from error


def _place(house: House, kind: Kind) -> Device:
    match kind:
        case Kind.LAMP:
            return house.lamp()
        case Kind.PLUG:
            return house.plug()
        case Kind.SENSOR:
            return house.sensor()
        case Kind.LOCK:
            return house.lock()
        case Kind.STRANGER:
            return house.stranger()


def _write_keys(house: House, path: Path) -> None:
    with _file("--keys", path):
        path.write_text(house.keys(), encoding="utf-8")


def _as_text(house: House, placed: list[Device]) -> str:
    width = max((len(device.name) for device in placed), default=0)
    lines = [house.url]
    for device in placed:
        sticker = device.sticker if device.install_code is not None else "no install code"
        lines.append(f"{device.name:{width}}  {format_eui64(device.eui64)}  {sticker}")
    next_step = f"Connect a host to {house.url}."
    if placed:
        next_step += " The devices keep trying to join."
    return "\n".join([*lines, f"{next_step} Ctrl-C ends it."])


def _as_json(house: House, placed: list[Device]) -> str:
    return json.dumps(
        {
            "url": house.url,
            "devices": [
                {"name": device.name, "eui64": format_eui64(device.eui64), "sticker": device.sticker}
                for device in placed
            ],
        }
    )

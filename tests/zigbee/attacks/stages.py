"""The same house under an unguarded bellows, opened in either of its two ways, and under hubsec."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from pathlib import Path
from typing import Any, Protocol

from bellows.zigbee.application import ControllerApplication
from zigpy.types import EUI64, KeyData

from hubsec import Hub, load_policy
from hubsec.events import Event
from hubsec_emulated import House
from hubsec_emulated.devices.device import Device
from hubsec_emulated.house import NotInTimeError
from hubsec_emulated.wire.addresses import format_eui64
from hubsec_emulated.wire.crypto import install_code_key
from hubsec_zigbee import Bellows
from tests.zigbee.guarded import used_stick
from tests.zigpy_tasks import zigpy_has_answered

WINDOW = 60
PAUSE = 0.1
SETTLING = 2.2
"""bellows closes its start-up window two seconds after the start, from a task of its own."""


class Stage(Protocol):
    """A house, and the ways in which its people let a device in."""

    house: House
    events: list[Event]

    def window(self, device: Device, sticker: str) -> AbstractAsyncContextManager[None]:
        """The network is open as this stage opens it, for the device of that sticker: the attack's moment."""

    def install_code(self, device: Device, sticker: str) -> AbstractAsyncContextManager[None]:
        """The network is open for the device of that sticker."""

    def by_hand(self, device: Device) -> AbstractAsyncContextManager[None]:
        """The network is open for a device that has no install code; the device is switched on meanwhile."""


class Unguarded:
    """bellows as it is, used as its authors mean it to be. `to_all`: its windows are open to everybody."""

    def __init__(self, house: House, app: ControllerApplication, *, to_all: bool) -> None:
        self.house = house
        self.app = app
        self.to_all = to_all
        self.events: list[Event] = []

    @asynccontextmanager
    async def window(self, device: Device, sticker: str) -> AsyncIterator[None]:
        if not self.to_all:
            async with self.install_code(device, sticker):
                yield
            return
        await self.app.permit(WINDOW)
        yield
        await self.app.permit(0)

    @asynccontextmanager
    async def install_code(self, device: Device, sticker: str) -> AsyncIterator[None]:
        code = bytes.fromhex(sticker.rpartition("$I:")[2])
        node = EUI64.convert(format_eui64(device.eui64))
        await self.app.permit_with_link_key(node, KeyData(install_code_key(code)), WINDOW)
        yield
        await self.app.permit(0)

    @asynccontextmanager
    async def by_hand(self, device: Device) -> AsyncIterator[None]:
        await self.app.permit(WINDOW)
        device.power_on()
        yield
        await self.app.permit(0)


class Guarded:
    """bellows under hubsec."""

    def __init__(self, house: House, hub: Hub) -> None:
        self.house = house
        self.hub = hub
        self.events: list[Event] = []
        hub.on(Event, self.events.append)

    def window(self, device: Device, sticker: str) -> AbstractAsyncContextManager[None]:
        return self.install_code(device, sticker)

    @asynccontextmanager
    async def install_code(self, device: Device, sticker: str) -> AsyncIterator[None]:
        async with self.hub.admit(sticker, name=device.name):
            yield

    @asynccontextmanager
    async def by_hand(self, device: Device) -> AsyncIterator[None]:
        async with self.hub.listen() as knocks:
            device.power_on()
            knock = await anext(knocks)
        async with self.hub.approve(knock, name=device.name):
            yield


def settings(url: str) -> dict[str, Any]:
    """The plainest configuration; with a channel zigpy forms at once instead of looking for a quiet one."""
    return {
        "device": {"path": url},
        "use_thread": False,
        "database_path": None,
        "backup_enabled": False,
        "network": {"channel": 15},
    }


@asynccontextmanager
async def unguarded(seed: int, *, to_all: bool) -> AsyncIterator[Unguarded]:
    """A house under bellows alone, its start-up window over."""
    async with House(seed=seed, tokens=await used_stick()) as house:
        app = await ControllerApplication.new(settings(house.url), auto_form=True)
        try:
            await house.sleep(SETTLING * 20)
            yield Unguarded(house, app, to_all=to_all)
            with suppress(NotInTimeError):  # An attack may leave a device that has no peace any more.
                await house.settled(SETTLING * 20)
            await asyncio.sleep(PAUSE)  # The last frame is on its way through the host.
            await zigpy_has_answered()
        finally:
            await app.shutdown()


@asynccontextmanager
async def guarded(seed: int, folder: Path) -> AsyncIterator[Guarded]:
    """A house under hubsec with the policy `home`."""
    async with (
        House(seed=seed) as house,
        Hub(
            Bellows(house.url, config={"network": {"channel": 15}}), policy=load_policy("home"), home=folder
        ) as hub,
    ):
        yield Guarded(house, hub)

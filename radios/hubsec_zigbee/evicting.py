"""Making a device leave, and finding out whether it did.

An end device leaves when its parent is told (APS Remove-Device to the parent, the coordinator included; Zigbee
specification 4.4.5, and EmberZNet's trust-center.h), a router when it is told itself. If that is not confirmed
the device is asked to leave by ZDO. Either way it still holds the network key: only a new key shuts it out.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final, Protocol

from hubsec.errors import RadioError
from hubsec.identity import Identity
from hubsec.radio import Eviction
from hubsec_zigbee.desk import Desk
from hubsec_zigbee.ncp import Ncp
from hubsec_zigbee.receiving import ReceivePath
from hubsec_zigbee.roster import COORDINATOR, Roster

_KEEPS_KEY: Final = "It still holds the network key until that is rotated."


class Neighbourhood(Protocol):
    """What the host application knows of a device."""

    def parent_of(self, device: Identity) -> Identity | None:
        """Its parent, from the last topology scan."""

    def short_of(self, device: Identity) -> int | None:
        """Its short address."""

    def is_end_device(self, device: Identity) -> bool:
        """Whether its node descriptor says so."""

    def forget(self, device: Identity) -> None:
        """It is gone: take it off the host's list."""


class Evictions:
    """One at a time for each device; a second call for the same waits for the first one's outcome.

    `erase` takes a device's link key back, where it has one of its own, and says what became of that."""

    def __init__(
        self,
        desk: Desk,
        ncp: Ncp,
        roster: Roster,
        receiving: ReceivePath,
        neighbourhood: Neighbourhood,
        erase: Callable[[Identity], Awaitable[str]],
    ) -> None:
        self._erase = erase
        self._desk = desk
        self._ncp = ncp
        self._roster = roster
        self._receiving = receiving
        self._neighbourhood = neighbourhood
        self._leaving: dict[Identity, asyncio.Event] = {}
        self._running: dict[Identity, asyncio.Task[Eviction]] = {}

    def left(self, device: Identity) -> None:
        """It, or its parent, says that it left."""
        leaving = self._leaving.get(device)
        if leaving is not None:
            leaving.set()

    async def evict(self, device: Identity) -> Eviction:
        """See :meth:`hubsec.radio.Radio.evict`."""
        running = self._running.get(device)
        if running is None:
            running = self._running[device] = asyncio.create_task(
                self._evict(device), name=f"hubsec evict {device}"
            )
            running.add_done_callback(lambda _: self._running.pop(device, None))
        return await asyncio.shield(running)

    async def stop(self) -> None:
        """End what is under way."""
        running = list(self._running.values())
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)

    async def _evict(self, device: Identity) -> Eviction:
        self._receiving.shut_off(device)
        gone = self._leaving[device] = asyncio.Event()
        try:
            how = await self._tell(device, gone)
        except RadioError as error:
            how = f"the radio failed: {error}"
        finally:
            del self._leaving[device]
        # Not before: the order to leave is sealed with it.
        rest = f"{await self._erase(device)} {_KEEPS_KEY}".strip()
        confirmed = gone.is_set()
        if confirmed:
            self._roster.forget(device)
            self._neighbourhood.forget(device)
            return Eviction(confirmed=True, still_holds_network_key=True, detail=f"It left, {how}. {rest}")
        return Eviction(
            confirmed=False,
            still_holds_network_key=True,
            detail=f"Nobody confirmed that it left ({how}). Nothing of it reaches the host. {rest}",
        )

    async def _tell(self, device: Identity, gone: asyncio.Event) -> str:
        short = await self._short(device)
        if short is None:
            return "its short address is not known"
        half = self._desk.limits.evict_wait / 2
        recipient, recipient_short = await self._parent(device) or (device, short)
        told = "its parent was told" if recipient != device else "it was told"
        sent = await self._ncp.remove_device(device, recipient, recipient_short)
        if sent and await self._waited(gone, half):
            return told
        try:
            await self._ncp.ask_to_leave(device, short)
        except RadioError:
            return told if sent else "the NCP sent it nothing"
        await self._waited(gone, half)
        return f"{told}, then it was asked by ZDO" if sent else "it was asked by ZDO"

    async def _parent(self, device: Identity) -> tuple[Identity, int] | None:
        """The parent to tell, None if it is to be told itself."""
        place = self._roster.place(device)
        if place is not None and place.parent == COORDINATOR:
            own = self._receiving.coordinator
            is_child = own is not None and self._neighbourhood.is_end_device(device)
            return (own, COORDINATOR) if own is not None and is_child else None
        parent = self._neighbourhood.parent_of(device)
        if place is not None and place.parent is not None:
            parent = self._roster.by_short.get(place.parent) or await self._ncp.identity_at(place.parent)
        if parent is None or parent == device:
            return None
        short = await self._short(parent)
        return None if short is None else (parent, short)

    async def _short(self, device: Identity) -> int | None:
        place = self._roster.place(device)
        if place is not None:
            return place.short
        return self._neighbourhood.short_of(device) or await self._ncp.short_of(device)

    @staticmethod
    async def _waited(gone: asyncio.Event, seconds: float) -> bool:
        try:
            async with asyncio.timeout(seconds):
                await gone.wait()
        except TimeoutError:
            return False
        return True

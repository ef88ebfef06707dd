"""Getting devices off the network that are to leave it.

No command makes a living Z-Wave device leave. Either somebody presses its button while the network lets go
(exclusion), or it falls silent, and the controller strikes it off as failed. Until one of them has happened it stays
quarantined; what is tried is tried again, with growing pauses."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from dataclasses import dataclass

from hubsec.errors import RadioError
from hubsec.events import Evicted, RemovalAwaited
from hubsec.identity import Identity, SecurityClass
from hubsec_zwave.station import LOGGER, Station
from hubsec_zwave.wire import EXCLUDE_ONLY


@dataclass(slots=True, eq=False)
class _Leaving:
    reason: str
    holds_keys: bool
    pause: float
    offered: bool = False
    task: asyncio.Task[None] | None = None


class Removing:
    """Every device that is to leave, until it has. `is_including`: the controller is busy taking somebody in."""

    def __init__(self, station: Station, is_including: Callable[[], bool]) -> None:
        self._station = station
        self._is_including = is_including
        self._striking = asyncio.Lock()
        self._leaving: dict[Identity, _Leaving] = {}
        self._nudges: dict[Identity, asyncio.Event] = {}
        self._exclusion: asyncio.Task[None] | None = None

    @property
    def leaving(self) -> tuple[Identity, ...]:
        """Who is to leave."""
        return tuple(self._leaving)

    @property
    def excluding(self) -> bool:
        """Whether the network lets go of whoever presses a button, for hubsec."""
        return self._exclusion is not None and not self._exclusion.done()

    def start(self, device: Identity, reason: str, *, security: SecurityClass | None) -> None:
        """`device` is to leave."""
        station = self._station
        if device not in self._leaving:
            holds = security is not None and security is not SecurityClass.NONE
            leaving = self._leaving[device] = _Leaving(reason, holds, station.limits.remove_first)
            self._nudges[device] = asyncio.Event()
            self._try(device, leaving)
        station.publish(RemovalAwaited, device=device, reason=reason)

    def offer(self, device: Identity | None = None) -> None:
        """Somebody is there who could press a button: the network lets go for a while of whoever does. For `device`, or
        for those to whom it was never offered; not while an admission is open, for the controller does one thing at a
        time."""
        station = self._station
        offered = {
            one: leaving
            for one, leaving in self._leaving.items()
            if one == device or (device is None and not leaving.offered)
        }
        if not offered or station.orders or self.excluding:
            return
        until = station.utc + station.limits.exclusion
        self._exclusion = station.spawn(self._exclude(), "exclusion")
        for one, leaving in offered.items():
            leaving.offered = True
            station.publish(RemovalAwaited, device=one, reason=leaving.reason, excluding_until=until)

    def nudge(self, device: Identity) -> None:
        """It may have fallen silent: try now."""
        event = self._nudges.get(device)
        if event is not None:
            event.set()

    def left(self, device: Identity) -> bool:
        """`device` is off the network. Whether it was to leave; that is told then."""
        leaving = self._leaving.pop(device, None)
        self._nudges.pop(device, None)
        if leaving is None:
            return False
        if leaving.task is not None and leaving.task is not asyncio.current_task():
            leaving.task.cancel()
        if not self._leaving and self._exclusion is not None:
            self._exclusion.cancel()
        self._station.publish(
            Evicted,
            device=device,
            reason=leaving.reason,
            confirmed=True,
            still_holds_network_key=leaving.holds_keys,
        )
        return True

    def forgive(self, device: Identity) -> None:
        """It may stay after all."""
        leaving = self._leaving.pop(device, None)
        self._nudges.pop(device, None)
        if leaving is not None and leaving.task is not None:
            leaving.task.cancel()

    async def make_way(self) -> None:
        """An inclusion is to begin, and the controller does one thing at a time."""
        async with self._striking:
            await self._stop_excluding()

    async def _stop_excluding(self) -> None:
        if self._exclusion is not None:
            self._exclusion.cancel()
            await asyncio.gather(self._exclusion, return_exceptions=True)

    def pause(self) -> None:
        """There is no connection: who is to leave still is, once there is one again."""
        for leaving in self._leaving.values():
            if leaving.task is not None:
                leaving.task.cancel()
                leaving.task = None
        self._exclusion = None

    def resume(self) -> None:
        """There is a connection again."""
        for device, leaving in self._leaving.items():
            if leaving.task is None:
                self._try(device, leaving)

    # Doing

    def _try(self, device: Identity, leaving: _Leaving) -> None:
        leaving.task = self._station.spawn(self._strike_off(device, leaving), f"removal of {device}")

    async def _exclude(self) -> None:
        station = self._station
        try:
            result = await station.command("controller.begin_exclusion", options={"strategy": EXCLUDE_ONLY})
            if result.get("success") is not True:
                return
            await asyncio.sleep(station.limits.exclusion)
        finally:
            # Whoever is cancelled while it begins may have begun it.
            if station.link is not None and station.link.connected:
                with contextlib.suppress(RadioError):
                    await asyncio.shield(station.command("controller.stop_exclusion"))

    async def _strike_off(self, device: Identity, leaving: _Leaving) -> None:
        """Try to have it struck off as failed, now if it is known to be silent, else after a pause."""
        station = self._station
        nudge = self._nudges[device]
        node = station.nodes.find(device)
        if node is not None and node.dead:
            nudge.set()
        while True:
            try:
                async with asyncio.timeout(leaving.pause):
                    await nudge.wait()
            except TimeoutError:
                leaving.pause = min(2 * leaving.pause, station.limits.remove_most)
            nudge.clear()
            node = station.nodes.find(device)
            if node is None or station.link is None or self._is_including():
                continue
            try:
                # On a living node zwave-js keeps the controller busy for four seconds before it gives up.
                if (await station.command("node.ping", nodeId=node.node_id)).get("responded") is not False:
                    continue
                async with self._striking:
                    # Neither can be done while the other is: who is silent presses no button.
                    await self._stop_excluding()
                    if not self._is_including():
                        await station.command("controller.remove_failed_node", nodeId=node.node_id)
            except RadioError as error:
                LOGGER.debug("%s: %s can't be removed yet: %s", station.name, device, error)

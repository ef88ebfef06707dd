"""Getting devices off the network that are to leave it.

No command makes a living Z-Wave device leave. Either somebody presses its button while the network lets go
(exclusion), or it falls silent, and the controller strikes it off as failed. Until one of them has happened it stays
quarantined; what is tried is tried again, with growing pauses."""

from __future__ import annotations

import asyncio
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
    task: asyncio.Task[None] | None = None


class Removing:
    """Every device that is to leave, until it has."""

    def __init__(self, station: Station) -> None:
        self._station = station
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

    def start(self, device: Identity, reason: str, *, security: SecurityClass | None, help_now: bool) -> None:
        """`device` is to leave. With `help_now` somebody is there who could press its button: the network
        lets go for a while, unless it is busy taking somebody in."""
        station = self._station
        leaving = self._leaving.get(device)
        if leaving is None:
            holds = security is not None and security is not SecurityClass.NONE
            leaving = self._leaving[device] = _Leaving(reason, holds, station.limits.remove_first)
            self._nudges[device] = asyncio.Event()
            leaving.task = station.spawn(self._strike_off(device, leaving), f"removal of {device}")
        until = None
        if help_now and not self.excluding:
            until = station.utc + station.limits.exclusion
            self._exclusion = station.spawn(self._exclude(), "exclusion")
        station.publish(RemovalAwaited, device=device, reason=reason, excluding_until=until)

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
        if not self._leaving:
            self._stop_excluding()
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

    def _stop_excluding(self) -> None:
        if self._exclusion is not None:
            self._exclusion.cancel()

    async def make_way(self) -> None:
        """An inclusion is to begin, and the controller does one thing at a time."""
        if self._exclusion is not None:
            self._exclusion.cancel()
            await asyncio.gather(self._exclusion, return_exceptions=True)

    # Doing

    async def _exclude(self) -> None:
        station = self._station
        result = await station.command("controller.begin_exclusion", options={"strategy": EXCLUDE_ONLY})
        if result.get("success") is not True:
            return
        try:
            await asyncio.sleep(station.limits.exclusion)
        finally:
            if station.link is not None and station.link.connected:
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
            if node is None or self.excluding or station.link is None:
                continue
            try:
                await station.command("controller.remove_failed_node", nodeId=node.node_id)
            except RadioError as error:
                LOGGER.debug("%s: %s can't be removed yet: %s", station.name, device, error)

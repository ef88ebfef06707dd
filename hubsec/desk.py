"""What the parts of a radio share: whom to ask, what time it is, where to say things. For radios on the shelf."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine
from typing import Any, Final

from hubsec.decisions import Decision, Deny
from hubsec.errors import HubsecError, RadioError, StoreError
from hubsec.events import Event, Malformed
from hubsec.identity import Identity, Mode, Network, Standing
from hubsec.radio import Authority
from hubsec.requests import Request

NOT_RECORDED: Final = "not-recorded"
"""The rule that a :class:`~hubsec.errors.StoreError` stands for."""


MAX_MALFORMED: Final = 256
"""Devices and layers that nonsense is counted by; no network has more devices that talk at once."""


class Desk:
    """`name` is the radio's, `logger` its package's. `authority` is there once the radio is opened."""

    def __init__(self, name: str, network: Network, logger: logging.Logger) -> None:
        self.name = name
        self.network = network
        self._logger = logger
        self._authority: Authority | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._malformed: dict[tuple[Identity | None, str], int] = {}

    # Whom to ask

    @property
    def authority(self) -> Authority:
        """The hub; raises :class:`~hubsec.errors.RadioError` before the radio is opened."""
        if self._authority is None:
            raise RadioError(f"{self.name} is not open.")
        return self._authority

    def take(self, authority: Authority | None) -> None:
        """Ask this one from now on."""
        self._authority = authority

    @property
    def enforcing(self) -> bool:
        """Whether decisions are carried out."""
        return self._authority is not None and self._authority.mode is Mode.ENFORCE

    def standing(self, device: Identity) -> Standing:
        """How `device` stands."""
        return self.authority.standing(device)

    async def judge(self, request: Request) -> Decision:
        """The hub's decision; a denial where it could not be recorded."""
        try:
            return await self.authority.judge(request)
        except StoreError:
            return Deny(NOT_RECORDED, "The decision could not be recorded, so nothing was done.")

    # When

    def now(self) -> float:
        """Seconds of the event loop's steady clock."""
        return asyncio.get_running_loop().time()

    @property
    def utc(self) -> float:
        """Seconds since the epoch, as events carry it."""
        return self.authority.now()

    # Saying

    def publish[E: Event](self, kind: type[E], /, **fields: Any) -> None:  # noqa: ANN401 - the fields of any event
        """Put an event of this radio on the bus."""
        if self._authority is not None:
            self._authority.publish(kind(time=self.utc, radio=self.name, **fields))

    def malformed(self, layer: str, reason: str, device: Identity | None = None) -> None:
        """Something made no sense: count it, and say so at every power of two, so that a flood can't drown the rest."""
        if (device, layer) not in self._malformed and len(self._malformed) >= MAX_MALFORMED:
            device = None  # Whoever makes up addresses is counted as one.
        count = self._malformed.get((device, layer), 0) + 1
        self._malformed[device, layer] = count
        if count & (count - 1) == 0:
            self.publish(Malformed, device=device, layer=layer, reason=reason, count=count)

    def malformed_count(self) -> int:
        """How often anything made no sense so far."""
        return sum(self._malformed.values())

    # Doing

    def spawn(self, work: Coroutine[Any, Any, None], what: str) -> asyncio.Task[None]:
        """Run `work` beside; an error of it is logged, for it has nobody to raise to."""

        async def run() -> None:
            try:
                await work
            except HubsecError as error:
                self._logger.warning("%s: %s: %s", self.name, what, error)

        task = asyncio.get_running_loop().create_task(run(), name=f"hubsec {what}")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        # A task that is cancelled before it began has not touched its work.
        task.add_done_callback(lambda _: work.close())
        return task

    async def settle(self) -> None:
        """End everything that runs beside, except whoever calls."""
        me = asyncio.current_task()
        mine = [task for task in self._tasks if task is not me]
        for task in mine:
            task.cancel()
        await asyncio.gather(*mine, return_exceptions=True)

"""The ways in that a user opens: by a sticker, or by a knock that is approved.

Whatever is open ends with its window, with the hub, or with the entry; nothing is left open by a browser that is shut.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import TYPE_CHECKING, Any, Final

from homeassistant.core import callback

from hubsec import Admission, AdmissionEnded, Device, Hub, HubsecError, Outcome, Refused
from hubsec.events import AdmissionClosed, AdmissionOpened, Event, Knocked, ListeningClosed, ListeningOpened

from .const import DOMAIN

if TYPE_CHECKING:
    from .network import ProtectedNetwork

_CLOSED: Final = "Somebody closed it."


class Entrance:
    """One network's. `knocks` are those that nobody has answered yet, by device; they are forgotten with the hub."""

    def __init__(self, network: ProtectedNetwork) -> None:
        self._network = network
        self._open: dict[str, float] = {}
        self._waiting: dict[str, asyncio.Future[Device]] = {}
        self._ears: asyncio.Task[None] | None = None
        self._closings = 0
        self._passing: set[asyncio.Future[None]] = set()
        self.knocks: dict[str, Knocked] = {}
        self.listening_until: float | None = None
        network.on_event(self._hear)

    @property
    def open_to(self) -> tuple[str, ...]:
        """The devices that may join now."""
        return tuple(sorted(self._open))

    @property
    def open_until(self) -> float | None:
        """When the last of these windows ends, in seconds since the epoch; None while all is shut."""
        ends = [*self._open.values(), *([] if self.listening_until is None else [self.listening_until])]
        return max(ends, default=None)

    async def admit(self, sticker: str, **how: Any) -> Device:
        """Open for the device of that sticker until it is in. Takes what :meth:`hubsec.Hub.admit` takes.

        Raises :class:`hubsec.AdmissionEnded` when it did not come in, and what the hub raises.
        """
        return await self._through(self._hub.admit(sticker, radio=self._radio, **how))

    async def begin(self, sticker: str, **how: Any) -> tuple[str, float]:
        """The same, beside whatever else happens. Returns once it is open, with the device and the time at which the
        window ends, in seconds since the epoch."""
        admission = self._hub.admit(sticker, radio=self._radio, **how)
        return admission.device, await self._begun(admission)

    async def listen(self, seconds: float | None, *, by: str) -> float:
        """Hear knocks for so long (the policy's longest by default); they are events, and in `knocks`. Returns at once,
        with the time at which it ends, in seconds since the epoch."""
        opened: asyncio.Future[float] = asyncio.get_running_loop().create_future()
        ears = self._beside(self._listen(self._hub, seconds, by, opened), "listens")
        closes_at = await opened
        self._ears = ears
        return closes_at

    async def approve(self, device: str, *, name: str, by: str) -> float:
        """Let the device in that knocked, at its next try. Returns at once, with the time at which the window ends.

        The network key goes out under a public key: whoever listens has it from then on. Raises
        :class:`hubsec.Refused` when it has not knocked, or the policy takes no approvals.
        """
        knock = self.knocks.get(device)
        if knock is None:
            raise Refused(f"{device} has not knocked lately: listen, then switch it on.", rule="approval")
        return await self._begun(self._hub.approve(knock, name=name, by=by))

    async def close(self) -> None:
        """End the listening window and every admission. A device that has the key already goes on to its exchange."""
        self._closings += 1
        for waiting in tuple(self._waiting.values()):
            waiting.cancel()
        ears, self._ears = self._ears, None
        if ears is not None:
            ears.cancel()
        ending = [*self._passing, *([] if ears is None else [ears])]
        if ending:
            await asyncio.wait(ending)

    @callback
    def forget(self) -> None:
        """The hub is gone, and with it all that was open."""
        self.knocks.clear()
        self._open.clear()
        self.listening_until = None

    # Inside

    @property
    def _hub(self) -> Hub:
        return self._network.guarded()

    @property
    def _radio(self) -> str:
        return self._network.stack.domain

    async def _begun(self, admission: Admission) -> float:
        opened: asyncio.Future[float] = asyncio.get_running_loop().create_future()
        self._beside(self._alone(admission, opened), f"lets {admission.device} in")
        return await opened

    async def _through(self, admission: Admission, opened: asyncio.Future[float] | None = None) -> Device:
        passed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._passing.add(passed)
        try:
            return await self._waited(admission, opened)
        finally:
            self._passing.discard(passed)
            passed.set_result(None)

    async def _waited(self, admission: Admission, opened: asyncio.Future[float] | None) -> Device:
        closings = self._closings
        async with admission:
            if closings != self._closings:
                raise AdmissionEnded(_CLOSED, outcome=Outcome.CANCELLED)
            if opened is not None and not opened.done() and admission.closes_at is not None:
                opened.set_result(admission.closes_at)
            waiting = self._waiting[admission.device] = asyncio.ensure_future(admission.joined())
            try:
                return await waiting
            except asyncio.CancelledError:
                task = asyncio.current_task()
                if task is not None and task.cancelling():
                    raise
                raise AdmissionEnded(_CLOSED, outcome=Outcome.CANCELLED) from None
            finally:
                del self._waiting[admission.device]

    async def _alone(self, admission: Admission, opened: asyncio.Future[float]) -> None:
        try:
            await self._through(admission, opened)
        except HubsecError as error:
            if not opened.done():
                opened.set_exception(error)
        finally:
            _never(opened)

    async def _listen(self, hub: Hub, seconds: float | None, by: str, opened: asyncio.Future[float]) -> None:
        closings = self._closings
        try:
            async with hub.listen(seconds, by=by, radio=self._radio) as knocks:
                if closings != self._closings:
                    return
                if not opened.done():
                    opened.set_result(self.listening_until or hub.now())
                async for _ in knocks:
                    pass  # They have been heard as events already.
        except HubsecError as error:
            if not opened.done():
                opened.set_exception(error)
        finally:
            _never(opened)

    def _beside(self, work: Coroutine[Any, Any, None], what: str) -> asyncio.Task[None]:
        return self._network.entry.async_create_background_task(self._network.hass, work, f"{DOMAIN} {what}")

    @callback
    def _hear(self, event: Event) -> None:
        match event:
            case Knocked(device=str(device)):
                self.knocks[device] = event
            case ListeningOpened():
                self.listening_until = event.closes_at
            case ListeningClosed():
                self.listening_until = None
            case AdmissionOpened(device=str(device)):
                self.knocks.pop(device, None)  # That is the answer.
                self._open[device] = event.closes_at
            case AdmissionClosed(device=str(device)):
                self._open.pop(device, None)
            case _:
                pass


def _never(opened: asyncio.Future[float]) -> None:
    """Whoever still waits for the opening is told that there will be none: the task that was to open has ended."""
    if not opened.done():
        opened.set_exception(AdmissionEnded(_CLOSED, outcome=Outcome.CANCELLED))

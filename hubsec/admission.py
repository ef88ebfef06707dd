"""One device's timed way in, as the app that opened it sees it."""

from __future__ import annotations

import asyncio
import enum
from types import TracebackType
from typing import Protocol, Self

from hubsec.device import Device
from hubsec.entries import Entry
from hubsec.errors import AdmissionEnded, Refused
from hubsec.identity import CredentialKind
from hubsec.radio import AdmissionOrder


class Outcome(enum.StrEnum):
    """How an admission ended."""

    JOINED = "joined"
    EXPIRED = "expired"
    """Nobody with the right credential came in time."""
    CANCELLED = "cancelled"
    """The block that held it open was left."""
    REFUSED = "refused"
    """The device came, and was put out again: it did not do what the policy asks, or an operator evicted it."""
    FAILED = "failed"
    """It could not be recorded, or the radio could not go through with it."""


class _Opener(Protocol):
    async def open(self, admission: Admission) -> None: ...

    async def close(self, admission: Admission) -> None: ...


class Admission:
    """Open for one device while the ``async with`` block lives, and no longer than its window. It is entered once.

    `device`, `name` and `credential` say who and by what; `exposed` is True for an approval, where a listener gets the
    network key. `closes_at` is seconds since the epoch, UTC, once open.
    """

    def __init__(self, opener: _Opener, order: AdmissionOrder, entry: Entry, *, radio: str) -> None:
        self._opener = opener
        self._entered = False
        self._ended = asyncio.Event()
        self._device: Device | None = None
        self._reason = ""
        self.order = order
        self.entry = entry
        self.radio = radio
        self.exposed = order.credential is CredentialKind.APPROVAL
        self.closes_at: float | None = None
        self.outcome: Outcome | None = None

    @property
    def id(self) -> str:
        """The correlation that all its events carry."""
        return self.order.admission

    @property
    def device(self) -> str:
        """The identity that it is open for."""
        return self.order.device

    @property
    def name(self) -> str:
        """What the device is to be called."""
        return self.order.name

    @property
    def credential(self) -> CredentialKind:
        """By which proof the device may join."""
        return self.order.credential

    def end(self, outcome: Outcome, reason: str, device: Device | None = None) -> bool:
        """Settle how it ended; the first word counts. Returns whether this was it."""
        if self.outcome is not None:
            return False
        self.outcome, self._reason, self._device = outcome, reason, device
        self._ended.set()
        return True

    @property
    def reason(self) -> str:
        """Why it ended, in one sentence; empty while it is open."""
        return self._reason

    async def joined(self) -> Device:
        """The device, once it is in as the policy asks.

        Raises :class:`~hubsec.errors.AdmissionEnded` when the admission ended otherwise.
        """
        await self._ended.wait()
        if self._device is None:
            raise AdmissionEnded(self._reason, outcome=str(self.outcome))
        return self._device

    async def __aenter__(self) -> Self:
        if self._entered:
            raise Refused("An admission is entered once: call hub.admit() for another.", rule="admission")
        self._entered = True
        await self._opener.open(self)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._opener.close(self)

"""Replays: the events of the past, out of the audit log, and then those of the present.

The rules
1. Every event that the log has after the given number comes, in its order, and then each that is told while this is
   open; none twice.
2. An event comes with its number: it is given when it is written, which takes a commit. One that could not be
   written, or was passed over in a flood, comes without, in its place.
3. A reader that falls behind holds no more than its mailbox: it goes back to the log. What has no number is lost to it
   then, and counted.
"""

from __future__ import annotations

import asyncio
from collections import deque
from types import TracebackType
from typing import TYPE_CHECKING, Final, Self

from hubsec.audit.records import Kind
from hubsec.errors import StoreError
from hubsec.events import Event
from hubsec.events_json import EventFormatError, from_json
from hubsec.streams import SubscriptionError

if TYPE_CHECKING:
    from hubsec.recorder import Recorder
    from hubsec.store import AsyncStore

# Records that are read at once.
PAGE: Final = 256


class Replay[E: Event]:
    """Events of `kind` or below, from after record `since` on; made by :meth:`hubsec.hub.Hub.events`, read by one task.

    It collects inside its ``async with`` block, and ends when the hub closes, after what it holds. Iterating raises
    :class:`~hubsec.errors.StoreError` when the log can't be read, and may go on after that: with what comes behind it,
    where one record was at fault.
    """

    def __init__(
        self, recorder: Recorder, store: AsyncStore, kind: type[E], *, since: int, capacity: int
    ) -> None:
        self._recorder = recorder
        self._store = store
        self._kind = kind
        self._capacity = capacity
        self._stored: deque[tuple[int, Event]] = deque()
        self._told: deque[tuple[int | None, Event]] = deque()
        self._behind = True
        self._read = since
        self._waiter: asyncio.Future[None] | None = None
        self._ended = self._entered = self._checked = False
        self.seq = since
        """The number of the newest record that was given, or passed over since it is of another type: where to go on
        next time."""
        self.dropped = 0
        """Events without a number that this reader has lost."""

    async def __aenter__(self) -> Self:
        if self._entered or self._ended:
            raise SubscriptionError("A replay is entered once; ask the hub for another.")
        self._entered = True
        self._recorder.attach(self)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
        self._stored.clear()
        self._told.clear()
        self._behind = False

    def close(self) -> None:
        """Collect no more; what is held is still given. Idempotent."""
        self._ended = True
        self._recorder.detach(self)
        self._wake()

    def put(self, seq: int | None, event: Event) -> None:
        """Take in an event that was written, as record `seq`, or could not be."""
        if len(self._told) >= self._capacity:
            self.dropped += sum(number is None for number, _ in self._told)
            self._told.clear()
            self._behind = True
        if not self._behind or seq is None:
            self._told.append((seq, event))
        self._wake()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> E:
        """The next event, when there is one."""
        if not self._entered:
            raise SubscriptionError(
                "Read a replay inside its block: async with hub.events(…, since=…) as replay."
            )
        while True:
            while self._stored:
                self.seq, event = self._stored.popleft()
                if isinstance(event, self._kind):
                    return event
            if self._behind:
                await self._catch_up()
                continue
            while self._told:
                seq, event = self._told.popleft()
                if seq is not None:
                    if seq <= self._read:
                        continue  # It was read from the log.
                    self._read = self.seq = seq
                if isinstance(event, self._kind):
                    return event
            if self._ended:
                raise StopAsyncIteration
            if self._waiter is not None:
                raise SubscriptionError("One task reads a replay; ask the hub for one more.")
            self._waiter = asyncio.get_running_loop().create_future()
            try:
                await self._waiter
            finally:
                self._waiter = None

    async def _catch_up(self) -> None:
        # What is written from here on is told as well, and known again by its number.
        self._behind = False
        try:
            if not self._checked:
                await self._check_start()
            found = await self._store.audit(self._read, kinds=[Kind.EVENT], limit=PAGE)
        except StoreError:
            if self._ended:
                return  # The hub has closed: the rest is there the next time.
            self._behind = True
            raise
        except asyncio.CancelledError:
            # Who waits no longer may come back, and is to miss nothing.
            self._behind = True
            raise
        for record in found:
            try:
                event = from_json(record.body)
            except EventFormatError as error:
                self._behind = True
                if self._stored:
                    return  # What is before it comes first.
                self._read = record.seq
                raise StoreError(
                    f"Record {record.seq} holds no event that this hubsec reads: {error}"
                ) from error
            self._read = record.seq
            self._stored.append((record.seq, event))
        if len(found) == PAGE:
            self._behind = True

    async def _check_start(self) -> None:
        oldest = await self._store.audit(0, limit=1)
        if self._read and oldest and oldest[0].seq > self._read + 1:
            raise StoreError(
                f"The log begins with record {oldest[0].seq}; what came between {self._read} and that was dropped. "
                f"Go on with since={oldest[0].seq - 1}, or take all that there is with since=0."
            )
        self._checked = True

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

"""Mailboxes: how coroutines read a bus. :meth:`hubsec.bus.Bus.events` makes them."""

from __future__ import annotations

import asyncio
import enum
import functools
import sys
from collections import deque
from collections.abc import AsyncIterator, Callable, Coroutine
from types import TracebackType
from typing import Any, Self

from hubsec.errors import HubsecError
from hubsec.events import Event, SubscriberSlow

__all__ = ["STREAM_CAPACITY", "EventStream", "Overflow", "Overflowed", "Shorten", "SubscriptionError"]

STREAM_CAPACITY = 256
"""Events in a mailbox, unless the subscriber says otherwise. Judgement: 100 devices that come back after a power cut
make two events each."""


type Shorten = Callable[[Callable[[Any], object] | None], object]
"""Gives the bus what to call for a mailbox instead of its :meth:`EventStream.put`, until that raises, or until it is
given None. It may decline, and go on calling :meth:`~EventStream.put`."""

# A full deque refuses to insert, where on append it would lose its oldest item: the cheapest bounded append there is.
_AT_THE_END = sys.maxsize


class SubscriptionError(HubsecError):
    """A subscription that can't work: what is wrong is the caller's code."""


class Overflowed(HubsecError):
    """A mailbox with :attr:`Overflow.CLOSE` was full, and ended. `dropped` is 1: the event that found no place."""

    def __init__(self, dropped: int) -> None:
        super().__init__(
            "The mailbox was full and its rule is to end then. Read faster, or ask for more capacity."
        )
        self.dropped = dropped


class Overflow(enum.StrEnum):
    """What a full mailbox does with the next event."""

    DROP_OLDEST = "drop-oldest"
    """The oldest unread event is lost: for who shows the present state."""
    DROP_NEWEST = "drop-newest"
    """The next event is lost: for who wants the beginning of a story."""
    CLOSE = "close"
    """The stream ends with :class:`Overflowed` after what it holds: for who would rather stop than miss one."""


class EventStream[E: Event]:
    """A bounded mailbox, made by :meth:`hubsec.bus.Bus.events`; one task reads it.

    It collects inside its ``async with`` block. Iterating gives one event after the other; :meth:`batches` gives what
    there is at once, which costs about half.
    """

    __slots__ = (
        "_attach",
        "_detach",
        "_ended",
        "_insert",
        "_overflow",
        "_queue",
        "_shorten",
        "_slow",
        "_told",
        "_waiter",
        "dropped",
        "kind",
        "name",
    )

    def __init__(
        self,
        kind: type[E],
        *,
        capacity: int,
        overflow: Overflow,
        name: str,
        attach: Callable[[EventStream[E]], tuple[Callable[[], None], Shorten]],
        slow: Callable[[EventStream[E]], None],
    ) -> None:
        """`attach` makes :meth:`put` hear events and returns what ends that, and what shortens the way.

        `slow` is called when events were lost.
        """
        self.kind = kind
        self.name = name
        self.dropped = 0
        """Events that this mailbox has lost so far."""
        self._overflow = overflow
        self._attach = attach
        self._slow = slow
        self._detach: Callable[[], None] | None = None
        self._shorten: Shorten
        self._queue: deque[E] = deque(maxlen=capacity)
        self._insert = functools.partial(self._queue.insert, _AT_THE_END)
        self._waiter: asyncio.Future[None] | None = None
        self._ended = False
        self._told = 0

    async def __aenter__(self) -> Self:
        if self._detach is not None or self._ended:
            raise SubscriptionError("A stream is entered once; ask the bus for another.")
        self._detach, self._shorten = self._attach(self)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
        self._queue.clear()

    def close(self) -> None:
        """Collect no more: the reader gets what the mailbox holds, and then its end. Idempotent."""
        self._ended = True
        if self._detach is not None:
            self._detach()
        if self._waiter is not None:
            self._wake(self._waiter)

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> E:
        """The oldest unread event, when there is one. Raises :class:`Overflowed` at the end that an overflow made."""
        while not self._queue:
            await self._wait()
        return self._queue.popleft()

    def batches(self) -> AsyncIterator[list[E]]:
        """Iterate over lists instead: all that is unread, at least one event, oldest first. Ends as iterating does."""
        return _Batches(self)

    async def _take(self) -> list[E]:
        while not self._queue:
            await self._wait()
        events = list(self._queue)
        self._queue.clear()
        return events

    def _wait(self) -> asyncio.Future[None]:
        """The mailbox is empty: what is done when there may be something to read. Raises at the end of the stream."""
        if self._ended:
            if self._overflow is Overflow.CLOSE and self.dropped:
                raise Overflowed(self.dropped)
            raise StopAsyncIteration
        if self._detach is None:
            raise SubscriptionError("Read a stream inside its block: async with bus.events(…) as stream.")
        if self._waiter is not None and not self._waiter.done():
            raise SubscriptionError("One task reads a stream; ask the bus for one more.")
        self._shorten(None)
        self._waiter = asyncio.get_running_loop().create_future()
        return self._waiter

    def put(self, event: E) -> None:
        """Take in one event. The bus calls this, and while nobody waits for an event, what needs no more than room."""
        try:
            self._insert(event)
        except IndexError:
            self._overflow_with(event)
        if self._waiter is not None:
            self._wake(self._waiter)
            self._shorten(self._insert)

    def _wake(self, waiter: asyncio.Future[None]) -> None:
        self._waiter = None
        if not waiter.done():
            waiter.set_result(None)

    def _overflow_with(self, event: E) -> None:
        """The mailbox is full, and `event` comes."""
        self.dropped += 1
        if self._overflow is Overflow.DROP_OLDEST:
            self._queue.append(event)
        elif self._overflow is Overflow.CLOSE:
            self.close()
        if self.dropped >= 2 * self._told and not isinstance(event, SubscriberSlow):
            self._told = self.dropped
            self._slow(self)


class _Batches[E: Event]:
    """What :meth:`EventStream.batches` returns. An async generator that is left early would need a task to end it."""

    __slots__ = ("_stream",)

    def __init__(self, stream: EventStream[E]) -> None:
        self._stream = stream

    def __aiter__(self) -> Self:
        return self

    def __anext__(self) -> Coroutine[None, None, list[E]]:
        return self._stream._take()  # noqa: SLF001 - the other half of the same thing

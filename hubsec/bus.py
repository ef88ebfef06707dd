"""The event bus: events go in at one place and come out at every subscriber of their type.

Two ways to subscribe, and nothing else:

- :meth:`Bus.on` calls a plain callable with each event of a type, or of any type below it.
- :meth:`Bus.events` gives a bounded mailbox, read with ``async for``; the subscriber says what happens when it is full.

The rules:

1. Events reach every subscriber in the order in which they were published, subscribers in the order in which they came.
2. An event that is published inside a callback is delivered after the present one has reached everybody, before the
   outermost :meth:`Bus.publish` returns. After :data:`CASCADE_LIMIT` of them the rest waits for the loop's next turn.
3. A callback that raises harms nobody else, nor the publisher. It is logged and told as a
   :class:`~hubsec.events.SubscriberFailed`; one that fails at that very event is only logged.
4. A mailbox that overflows harms nobody else. It is told as a :class:`~hubsec.events.SubscriberSlow`, at its first lost
   event and each time the number doubles.
5. When unsubscribing returns, the callback is not called again, not even with an event on its way to others. Who
   subscribes inside a callback hears the next event first.
6. A bus lives in the event loop that it is first used in. An event from another thread is handed over to that loop;
   subscribing from another thread is refused. A bus that no loop has used yet belongs to one thread alone.

No task is made for an event, and nothing waits. Callbacks run inside :meth:`Bus.publish` and ought to return at once.
"""

from __future__ import annotations

import asyncio
import enum
import functools
import inspect
import itertools
import logging
import time
from asyncio import _get_running_loop
from collections import deque
from collections.abc import Callable
from threading import get_ident
from types import TracebackType
from typing import Any, Self

from hubsec._sanitize import clean
from hubsec.errors import HubsecError
from hubsec.events import Event, SubscriberFailed, SubscriberSlow

__all__ = [
    "CASCADE_LIMIT",
    "STREAM_CAPACITY",
    "Bus",
    "EventStream",
    "Overflow",
    "Overflowed",
    "SubscriptionError",
]

CASCADE_LIMIT = 1_000
"""Events that callbacks may add to one publication before the event loop gets its turn. Judgement: some 2 ms of
delivery to ten subscribers each, and far more than any chain of events that is not a circle."""

STREAM_CAPACITY = 256
"""Events in a mailbox, unless the subscriber says otherwise. Judgement: 100 devices that come back after a power cut
make two events each."""

ERROR_TEXT_LIMIT = 200
"""Characters of a failed subscriber's error that its event carries."""

_log = logging.getLogger(__name__)

# What counts as a subscriber's failure. CancelledError, which a callback raises by asking a cancelled future for its
# result, must not cancel the publisher.
_FAILURES = (Exception, asyncio.CancelledError)

# These stand in for the table of subscribers while nobody may be looked up, so that the usual case pays no check.
_DELIVERING: dict[type, _Calls] = {}
_BACKLOG: dict[type, _Calls] = {}


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


class _Subscription:
    """One subscriber. `call` is an object that no other subscription has, so that it tells who failed."""

    __slots__ = ("alive", "call", "kind", "name")

    def __init__(self, kind: type[Event], call: Callable[[Any], object], name: str) -> None:
        self.kind = kind
        self.call = call
        self.name = name
        self.alive = True


class _Calls(list[Callable[[Any], object]]):
    """What to call for one type of event. `subscriptions` has the same order."""

    __slots__ = ("subscriptions",)

    def __init__(self, subscriptions: list[_Subscription]) -> None:
        super().__init__(subscription.call for subscription in subscriptions)
        self.subscriptions = subscriptions


class Bus:
    """Carries events from who publishes to who subscribed. The rules are in the module's docstring.

    `clock` gives the time, in seconds since the epoch, of the events that the bus itself publishes.
    """

    __slots__ = (
        "_clock",
        "_closed",
        "_known",
        "_live",
        "_loop",
        "_pending",
        "_streams",
        "_subscriptions",
        "_table",
        "_thread",
    )

    def __init__(self, *, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._closed = False
        self._loop = _get_running_loop()
        self._thread = get_ident()
        self._subscriptions: list[_Subscription] = []
        self._streams: set[EventStream[Any]] = set()
        self._table: dict[type, _Calls] = {}
        self._live = self._table
        self._known: list[
            _Calls
        ] = []  # every list that may be on its way, so that unsubscribing reaches them all
        self._pending: deque[Event] = deque()

    # Subscribing

    def on[E: Event](self, kind: type[E], callback: Callable[[E], object]) -> Callable[[], None]:
        """Call `callback` with every event of `kind` or below, from the next one on.

        Returns what ends that: it takes no arguments and may be called again. What the callback returns is ignored.
        Raises :class:`SubscriptionError` for a coroutine function, which nobody would await: use :meth:`events`.
        """
        if not callable(callback):
            raise SubscriptionError("A subscriber is a plain callable.")
        if _is_asynchronous(callback):
            raise SubscriptionError(
                f"{_name_of(callback)} is asynchronous, and nobody would await it. Read the events in a task of"
                f" your own: async with bus.events({_name_of(kind)}) as stream."
            )
        return self._subscribe(kind, callback, _name_of(callback))

    def events[E: Event](
        self,
        kind: type[E],
        *,
        capacity: int = STREAM_CAPACITY,
        overflow: Overflow = Overflow.DROP_OLDEST,
        name: str = "",
    ) -> EventStream[E]:
        """A mailbox for events of `kind` or below.

        Read it so: ``async with bus.events(Denied) as stream:`` and in it ``async for event in stream:``.
        It holds `capacity` unread events; `overflow` says what happens to the next. `name` is what
        :class:`~hubsec.events.SubscriberSlow` calls it.
        """
        _check_kind(kind)
        if capacity < 1:
            raise SubscriptionError("A mailbox holds at least one event.")
        if not isinstance(overflow, Overflow):
            raise SubscriptionError(f"A full mailbox does one of: {', '.join(Overflow.__members__)}.")
        return EventStream(self, kind, capacity, overflow, name or f"stream of {_name_of(kind)}")

    def close(self) -> None:
        """End every stream, after what it holds, and forget every callback. Idempotent."""
        self._closed = True
        for stream in tuple(self._streams):
            stream.close()
        for subscription in tuple(self._subscriptions):
            self._unsubscribe(subscription)

    def _subscribe(
        self, kind: type[Event], callback: Callable[[Any], object], name: str
    ) -> Callable[[], None]:
        _check_kind(kind)
        if not self._at_home():
            raise SubscriptionError("Subscribe in the thread of the bus, with loop.call_soon_threadsafe.")
        if self._closed:
            raise SubscriptionError("The bus is closed.")
        if any(callback is other.call for other in self._subscriptions):
            callback = functools.partial(callback)
        subscription = _Subscription(kind, callback, name)
        self._subscriptions.append(subscription)
        self._table.clear()
        return functools.partial(self._unsubscribe, subscription)

    def _unsubscribe(self, subscription: _Subscription) -> None:
        if not subscription.alive:
            return
        if not self._at_home():
            raise SubscriptionError("Unsubscribe in the thread of the bus, with loop.call_soon_threadsafe.")
        subscription.alive = False
        self._subscriptions.remove(subscription)
        for calls in self._known:
            if subscription in calls.subscriptions:
                calls[calls.subscriptions.index(subscription)] = _ignore
        self._table.clear()

    # Publishing

    def publish(self, event: Event) -> None:
        """Deliver `event` to everybody who subscribed to its type, or to one above it. Never raises, never waits."""
        if _get_running_loop() is not self._loop and not self._at_home():
            self._hand_over(event)
            return
        try:
            calls = self._live[type(event)]
        except KeyError:
            if self._live is not self._table:
                self._postpone(event)
                return
            calls = self._match(type(event))
        # As _deliver does; written out, because a call costs as much as a subscriber.
        self._live = _DELIVERING
        call: Callable[[Any], object] = _ignore
        try:
            for call in calls:
                call(event)
        except BaseException as error:  # noqa: BLE001 - a subscriber may raise anything; what is not its failure goes on up
            self._go_on(calls, call, event, error)
        self._live = self._table
        if self._pending:
            self._drain()

    def _deliver(self, event: Event) -> None:
        calls = self._table.get(type(event))
        if calls is None:
            calls = self._match(type(event))
        self._live = _DELIVERING
        call: Callable[[Any], object] = _ignore
        try:
            for call in calls:
                call(event)
        except BaseException as error:  # noqa: BLE001 - the same
            self._go_on(calls, call, event, error)
        self._live = self._table

    def _match(self, kind: type) -> _Calls:
        """Who subscribed to `kind`, kept until somebody comes or goes. Nothing is on its way when this is called."""
        if not self._table:
            self._known.clear()
        calls = _Calls([one for one in self._subscriptions if issubclass(kind, one.kind)])
        self._known.append(calls)
        self._table[kind] = calls
        return calls

    def _go_on(
        self, calls: _Calls, call: Callable[[Any], object], event: Event, error: BaseException
    ) -> None:
        """`call` raised `error`: tell, and deliver to those behind it."""
        if not isinstance(error, _FAILURES):
            self._live = self._table
            raise error
        behind = itertools.dropwhile(lambda one: one.call is not call, calls.subscriptions)
        self._failed(next(behind), event, error)
        for subscription in behind:
            if not subscription.alive:
                continue
            try:
                subscription.call(event)
            except _FAILURES as another:
                self._failed(subscription, event, another)
            except BaseException:
                self._live = self._table
                raise

    def _failed(self, subscription: _Subscription, event: Event, error: BaseException) -> None:
        kind = type(event)
        _log.error("Subscriber %s failed at %s", subscription.name, kind.__name__, exc_info=error)
        if kind is SubscriberFailed:
            return
        self._pending.append(
            SubscriberFailed(
                time=self._clock(),
                radio=event.radio,
                device=event.device,
                correlation=event.correlation,
                subscriber=subscription.name,
                error=_describe(error),
                during=kind.__name__,
            )
        )

    def _postpone(self, event: Event) -> None:
        """An event from inside a callback, or one that must not overtake a backlog."""
        self._pending.append(event)
        if self._live is _BACKLOG and not self._has_loop():
            self._drain()

    def _drain(self) -> None:
        """Deliver what was published meanwhile, in its order."""
        self._live = self._table
        for _ in range(CASCADE_LIMIT):
            if not self._pending:
                return
            self._deliver(self._pending.popleft())
        if self._pending:
            self._live = _BACKLOG
            _log.warning("Subscribers answer events with events without an end: %d wait", len(self._pending))
            loop = self._loop
            if loop is not None and not loop.is_closed():
                loop.call_soon(self._drain)

    # Threads

    def _has_loop(self) -> bool:
        return self._loop is not None and not self._loop.is_closed()

    def _at_home(self) -> bool:
        """Whether this is the bus's thread. A bus without a loop, or whose loop is closed, moves to the running one."""
        running = _get_running_loop()
        if running is not None and not self._has_loop():
            self._loop, self._thread = running, get_ident()
        elif get_ident() != self._thread:
            return False
        elif running is not None:
            self._loop = running
        return True

    def _hand_over(self, event: Event) -> None:
        try:
            if self._loop is not None:
                self._loop.call_soon_threadsafe(self.publish, event)
        except RuntimeError:
            _log.error("The bus's loop is closed: %s is lost", type(event).__name__)


class EventStream[E: Event]:
    """A bounded mailbox, made by :meth:`Bus.events`. It collects inside its ``async with`` block; one task reads it."""

    __slots__ = (
        "_bus",
        "_capacity",
        "_ended",
        "_kind",
        "_name",
        "_overflow",
        "_queue",
        "_told",
        "_unsubscribe",
        "_waiter",
        "dropped",
    )

    def __init__(self, bus: Bus, kind: type[E], capacity: int, overflow: Overflow, name: str) -> None:
        self._bus = bus
        self._kind = kind
        self._capacity = capacity
        self._overflow = overflow
        self._name = name
        self._queue: deque[E] = deque()
        self._waiter: asyncio.Future[None] | None = None
        self._unsubscribe: Callable[[], None] | None = None
        self._ended = False
        self._told = 0
        self.dropped = 0
        """Events that this mailbox has lost so far."""

    async def __aenter__(self) -> Self:
        if self._unsubscribe is not None or self._ended:
            raise SubscriptionError("A stream is entered once; ask the bus for another.")
        self._unsubscribe = self._bus._subscribe(self._kind, self._put, self._name)  # noqa: SLF001 - made by the bus, in its module
        self._bus._streams.add(self)  # noqa: SLF001
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
        self._queue.clear()

    def close(self) -> None:
        """Collect no more: the reader gets what the mailbox holds, and then its end. Idempotent."""
        self._ended = True
        self._bus._streams.discard(self)  # noqa: SLF001
        if self._unsubscribe is not None:
            self._unsubscribe()
        if self._waiter is not None:
            self._wake(self._waiter)

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> E:
        """The oldest unread event, when there is one. Raises :class:`Overflowed` at the end that an overflow made."""
        queue = self._queue
        while not queue:
            if self._ended:
                if self._overflow is Overflow.CLOSE and self.dropped:
                    raise Overflowed(self.dropped)
                raise StopAsyncIteration
            if self._unsubscribe is None:
                raise SubscriptionError("Read a stream inside its block: async with bus.events(…) as stream.")
            if self._waiter is not None:
                raise SubscriptionError("One task reads a stream; ask the bus for one more.")
            waiter = self._waiter = asyncio.get_running_loop().create_future()
            try:
                await waiter
            finally:
                if self._waiter is waiter:
                    self._waiter = None
        return queue.popleft()

    def _put(self, event: E) -> None:
        queue = self._queue
        if len(queue) >= self._capacity and not self._make_room(event):
            return
        queue.append(event)
        if self._waiter is not None:
            self._wake(self._waiter)

    def _wake(self, waiter: asyncio.Future[None]) -> None:
        self._waiter = None
        if not waiter.done():
            waiter.set_result(None)

    def _make_room(self, event: E) -> bool:
        """The mailbox is full: whether `event` may go in all the same."""
        self.dropped += 1
        if self._overflow is Overflow.DROP_OLDEST:
            self._queue.popleft()
        elif self._overflow is Overflow.CLOSE:
            self.close()
        if self.dropped >= 2 * self._told and not isinstance(event, SubscriberSlow):
            self._told = self.dropped
            self._bus.publish(
                SubscriberSlow(time=self._bus._clock(), subscriber=self._name, dropped=self.dropped)  # noqa: SLF001
            )
        return self._overflow is Overflow.DROP_OLDEST


def _check_kind(kind: object) -> None:
    if not (isinstance(kind, type) and issubclass(kind, Event)):
        raise SubscriptionError("One subscribes to a type of event, such as hubsec.events.Denied.")


def _ignore(event: object) -> None:
    """Stand in for a callback that has unsubscribed."""


def _is_asynchronous(callback: Callable[..., object]) -> bool:
    tests = (inspect.iscoroutinefunction, inspect.isasyncgenfunction)
    inner = getattr(type(callback), "__call__", None)  # noqa: B004 - not whether, but which
    return any(test(callback) or test(inner) for test in tests)


def _name_of(thing: object) -> str:
    while isinstance(thing, functools.partial):
        thing = thing.func
    if not hasattr(thing, "__qualname__"):
        thing = type(thing)
    name = getattr(thing, "__qualname__", "")
    module = getattr(thing, "__module__", None)
    return name if isinstance(thing, type) and issubclass(thing, Event) else f"{module}.{name}"


def _describe(error: BaseException) -> str:
    try:
        text = str(error)
    except Exception:  # noqa: BLE001 - it is somebody's own class
        text = "(its text can't be made)"
    return clean(f"{type(error).__name__}: {text}".removesuffix(": "), ERROR_TEXT_LIMIT)

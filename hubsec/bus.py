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
6. A bus lives in the event loop that it is first used in, and :meth:`Bus.publish` belongs to that loop's thread.
   :meth:`Bus.publish_threadsafe` may be called from any: it hands the event over. In asyncio's debug mode
   :meth:`Bus.publish` looks as well; elsewhere that would cost more than a subscriber. Subscribing from another thread
   is refused.

No task is made for an event, and nothing waits. Callbacks run inside :meth:`Bus.publish` and ought to return at once.
"""

from __future__ import annotations

import asyncio
import functools
import inspect
import itertools
import logging
import time
from asyncio import _get_running_loop
from collections import deque
from collections.abc import Callable
from threading import get_ident
from typing import Any

from hubsec._sanitize import clean
from hubsec.events import Event, SubscriberFailed, SubscriberSlow
from hubsec.streams import STREAM_CAPACITY, EventStream, Overflow, Overflowed, Shorten, SubscriptionError

__all__ = [
    "CASCADE_LIMIT",
    "ERROR_TEXT_LIMIT",
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

ERROR_TEXT_LIMIT = 200
"""Characters of a failed subscriber's error that its event carries."""

_log = logging.getLogger(__name__)

# What counts as a subscriber's failure. CancelledError, which a callback raises by asking a cancelled future for its
# result, must not cancel the publisher.
_FAILURES = (Exception, asyncio.CancelledError)

# These stand in for the table of subscribers while nobody may be looked up in it, so that the usual case pays no check.
_DELIVERING: dict[type, _Calls] = {}  # an event is on its way
_POSTPONED: dict[type, _Calls] = {}  # the same, and others wait behind it
_BACKLOG: dict[type, _Calls] = {}  # others wait for the loop's next turn
_CHECKED: dict[type, _Calls] = {}  # debug mode: each event is looked at first


class _Subscription:
    """One subscriber. `call` is what is called: its `callback`, or a shortcut to what that would do.

    Neither is an object that another subscription has, so that `call` tells who failed. `places` is where it stands in
    every list that may be on its way.
    """

    __slots__ = ("alive", "call", "callback", "kind", "name", "places")

    def __init__(self, kind: type[Event], callback: Callable[[Any], object], name: str) -> None:
        self.kind = kind
        self.callback = callback
        self.call = callback
        self.name = name
        self.alive = True
        self.places: list[tuple[_Calls, int]] = []

    def shorten(self, shortcut: Callable[[Any], object] | None) -> None:
        """Call `shortcut` instead of the callback from now on, until this is called with None or `shortcut` raises.

        An event at which it raises goes to the callback. One that is on its way takes the new way as well.
        """
        self.call = call = shortcut or self.callback
        for calls, place in self.places:
            calls[place] = call

    def end(self) -> None:
        """Call nobody from now on, not even with an event that is on its way."""
        self.alive = False
        for calls, place in self.places:
            calls[place] = _ignore
        self.places.clear()


class _Calls(list[Callable[[Any], object]]):
    """What to call for one type of event. `subscriptions` has the same order."""

    __slots__ = ("subscriptions",)

    def __init__(self, subscriptions: list[_Subscription]) -> None:
        super().__init__(subscription.call for subscription in subscriptions)
        self.subscriptions = subscriptions
        for place, subscription in enumerate(subscriptions):
            subscription.places.append((self, place))


class Bus:
    """Carries events from who publishes to who subscribed. The rules are in the module's docstring.

    `clock` gives the time, in seconds since the epoch, of the events that the bus itself publishes.
    """

    __slots__ = (
        "_clock",
        "_closed",
        "_idle",
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
        self._idle = _CHECKED if _debugging(self._loop) else self._table
        self._live = self._idle
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
        return functools.partial(self._unsubscribe, self._subscribe(kind, callback, _name_of(callback)))

    def events[E: Event](
        self,
        kind: type[E],
        *,
        capacity: int = STREAM_CAPACITY,
        overflow: Overflow = Overflow.DROP_OLDEST,
        name: str = "",
        radio: str | None = None,
    ) -> EventStream[E]:
        """A mailbox for events of `kind` or below.

        Read it so: ``async with bus.events(Denied) as stream:`` and in it ``async for event in stream:``. It holds
        `capacity` unread events; `overflow` says what happens to the next. `name` is what
        :class:`~hubsec.events.SubscriberSlow` calls it. With `radio` only that radio's events come in.
        """
        _check_kind(kind)
        if capacity < 1:
            raise SubscriptionError("A mailbox holds at least one event.")
        if not isinstance(overflow, Overflow):
            raise SubscriptionError(f"A full mailbox does one of: {', '.join(Overflow.__members__)}.")
        return EventStream(
            kind,
            capacity=capacity,
            overflow=overflow,
            name=name or f"stream of {_name_of(kind)}",
            attach=functools.partial(self._attach, radio),
            slow=self._slow,
        )

    def close(self) -> None:
        """End every stream, after what it holds, and forget every callback. Idempotent."""
        self._closed = True
        for stream in tuple(self._streams):
            stream.close()
        for subscription in tuple(self._subscriptions):
            self._unsubscribe(subscription)

    def _attach(self, radio: str | None, stream: EventStream[Any]) -> tuple[Callable[[], None], Shorten]:
        def put_own(event: Event) -> None:
            if event.radio == radio:
                stream.put(event)

        put = stream.put if radio is None else put_own
        subscription = self._subscribe(stream.kind, put, stream.name)
        self._streams.add(stream)

        def detach() -> None:
            self._streams.discard(stream)
            self._unsubscribe(subscription)

        return detach, subscription.shorten if radio is None else _ignore

    def _slow(self, stream: EventStream[Any]) -> None:
        self.publish(SubscriberSlow(time=self._clock(), subscriber=stream.name, dropped=stream.dropped))

    def _subscribe(self, kind: type[Event], callback: Callable[[Any], object], name: str) -> _Subscription:
        _check_kind(kind)
        if not self._at_home():
            raise SubscriptionError("Subscribe in the thread of the bus, with loop.call_soon_threadsafe.")
        if self._closed:
            raise SubscriptionError("The bus is closed.")
        if any(callback is other.callback for other in self._subscriptions):
            callback = functools.partial(callback)
        subscription = _Subscription(kind, callback, name)
        self._subscriptions.append(subscription)
        self._table.clear()
        return subscription

    def _unsubscribe(self, subscription: _Subscription) -> None:
        if not subscription.alive:
            return
        if not self._at_home():
            raise SubscriptionError("Unsubscribe in the thread of the bus, with loop.call_soon_threadsafe.")
        self._subscriptions.remove(subscription)
        subscription.end()
        self._table.clear()

    # Publishing

    def publish(self, event: Event) -> None:
        """Deliver `event` to everybody who subscribed to its type, or to one above it. Never raises, never waits."""
        try:
            calls = self._live[type(event)]
        except KeyError:
            ready = self._ready(event)
            if ready is None:
                return
            calls = ready
        self._live = _DELIVERING
        try:
            for call in calls:
                call(event)
        except BaseException as error:  # noqa: BLE001 - a subscriber may raise anything; what is not its failure goes on up
            self._go_on(calls, locals().get("call"), event, error)
        if self._live is _DELIVERING:
            self._live = self._idle
        else:
            self._drain()

    def publish_threadsafe(self, event: Event) -> None:
        """As :meth:`publish`, from any thread; another than the bus's own hands it over to the loop's next turn."""
        if self._at_home():
            self.publish(event)
            return
        try:
            if self._loop is not None:
                self._loop.call_soon_threadsafe(self.publish, event)
        except RuntimeError:
            _log.error("The bus's loop is closed: %s is lost", type(event).__name__)

    def _ready(self, event: Event) -> _Calls | None:
        """Whom to call with `event` when the table does not say at once; None when it is not to be delivered now."""
        live = self._live
        if live is _CHECKED and not self._at_home():
            _log.error("%s was published from another thread: use publish_threadsafe", type(event).__name__)
            self.publish_threadsafe(event)
            return None
        if live is _CHECKED or live is self._table:
            return self._match(type(event))
        self._pending.append(event)
        if live is _DELIVERING:
            self._live = _POSTPONED
        elif live is _BACKLOG and not self._has_loop():
            self._drain()
        return None

    def _drain(self) -> None:
        """Deliver what was published meanwhile, in its order."""
        for _ in range(CASCADE_LIMIT):
            if not self._pending:
                self._live = self._idle
                return
            event = self._pending.popleft()
            self._live = _POSTPONED
            calls = self._match(type(event))
            try:
                for call in calls:
                    call(event)
            except BaseException as error:  # noqa: BLE001 - the same
                self._go_on(calls, locals().get("call"), event, error)
        if self._pending:
            _log.warning("Subscribers answer events with events without an end: %d wait", len(self._pending))
        self._leave_for_later()

    def _leave_for_later(self) -> None:
        """What waits is delivered in the loop's next turn, or, without a loop, before the next event."""
        self._live = _BACKLOG if self._pending else self._idle
        loop = self._loop
        if self._pending and loop is not None and not loop.is_closed():
            loop.call_soon(self._drain)

    def _match(self, kind: type) -> _Calls:
        """Who subscribed to `kind`, kept until somebody comes or goes. Nothing is on its way when this is called."""
        if kind in self._table:
            return self._table[kind]
        if not self._table:
            for subscription in self._subscriptions:
                subscription.places.clear()
        calls = _Calls([one for one in self._subscriptions if issubclass(kind, one.kind)])
        self._table[kind] = calls
        return calls

    def _go_on(
        self, calls: _Calls, call: Callable[[Any], object] | None, event: Event, error: BaseException
    ) -> None:
        """`call` raised `error`: tell, and deliver to those behind it."""
        if not isinstance(error, _FAILURES):
            self._leave_for_later()
            raise error
        behind = itertools.dropwhile(lambda one: one.call is not call, calls.subscriptions)
        try:
            self._raised(next(behind), event, error)
            for subscription in behind:
                if not subscription.alive:
                    continue
                try:
                    subscription.call(event)
                except _FAILURES as another:
                    self._raised(subscription, event, another)
        except BaseException:
            self._leave_for_later()
            raise

    def _raised(self, subscription: _Subscription, event: Event, error: BaseException) -> None:
        """A shortcut that can't take `event` leaves it to the callback; a callback has failed."""
        if subscription.call is subscription.callback:
            self._failed(subscription, event, error)
            return
        subscription.shorten(None)
        try:
            subscription.callback(event)
        except _FAILURES as another:
            self._failed(subscription, event, another)

    def _failed(self, subscription: _Subscription, event: Event, error: BaseException) -> None:
        kind = type(event)
        _log.error("Subscriber %s failed at %s", subscription.name, kind.__name__, exc_info=error)
        if kind is SubscriberFailed:
            return
        self.publish(
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

    # Threads

    def _check_more(self, loop: asyncio.AbstractEventLoop) -> None:
        """The bus has a loop now, which may be in debug mode."""
        if _debugging(loop) and self._idle is not _CHECKED:
            if self._live is self._idle:
                self._live = _CHECKED
            self._idle = _CHECKED

    def _has_loop(self) -> bool:
        return self._loop is not None and not self._loop.is_closed()

    def _at_home(self) -> bool:
        """Whether this is the bus's thread. A bus without a loop, or whose loop is closed, moves to the running one."""
        running = _get_running_loop()
        if running is not None and not self._has_loop():
            self._loop, self._thread = running, get_ident()
            self._check_more(running)
        elif get_ident() != self._thread:
            return False
        elif running is not None:
            self._loop = running
        return True


def _check_kind(kind: object) -> None:
    if not (isinstance(kind, type) and issubclass(kind, Event)):
        raise SubscriptionError("One subscribes to a type of event, such as hubsec.events.Denied.")


def _debugging(loop: asyncio.AbstractEventLoop | None) -> bool:
    return loop is not None and loop.get_debug()


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

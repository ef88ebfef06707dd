"""The bus's rules, one by one: see the docstring of `hubsec.bus`."""

from __future__ import annotations

import asyncio
import functools
import gc
import threading
import weakref
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hubsec.bus import CASCADE_LIMIT, Bus, SubscriptionError
from hubsec.events import (
    Denied,
    DeviceEvent,
    Event,
    HubEvent,
    JoinEvent,
    Left,
    Quarantined,
    Released,
    StoreAlarm,
    SubscriberFailed,
)
from hubsec.identity import Identity
from hubsec.requests import JoinKind

if TYPE_CHECKING:
    from collections.abc import Callable

DEVICE = Identity("00:12:4b:00:01:02:03:04")


def left(number: float = 0.0) -> Left:
    return Left(time=number, radio="zigbee", device=DEVICE, correlation="story")


def denied() -> Denied:
    return Denied(time=0.0, reason="no entry", rule="strangers", kind=JoinKind.JOIN)


def boom(event: Event) -> None:
    raise RuntimeError(f"boom at {event.time}")


@pytest.fixture
def bus() -> Bus:
    return Bus(clock=lambda: 99.0)


# Who hears what


def test_a_type_and_the_types_above_it(bus: Bus) -> None:
    heard: list[tuple[str, type]] = []
    for kind in (Event, JoinEvent, Denied, Left, DeviceEvent):
        bus.on(kind, lambda event, kind=kind: heard.append((kind.__name__, type(event))))
    bus.publish(denied())
    bus.publish(Released(time=1.0, by="op"))
    assert heard == [
        ("Event", Denied),
        ("JoinEvent", Denied),
        ("Denied", Denied),
        ("Event", Released),
        ("DeviceEvent", Released),
    ]


def test_in_the_order_in_which_they_came_whatever_their_type(bus: Bus) -> None:
    heard: list[int] = []
    for number, kind in enumerate((Left, Event, JoinEvent, Left, Event)):
        bus.on(kind, lambda _, number=number: heard.append(number))
    bus.publish(left())
    assert heard == [0, 1, 2, 3, 4]


def test_nobody_is_fine(bus: Bus) -> None:
    bus.publish(left())
    heard: list[Event] = []
    bus.on(Left, heard.append)
    event = left()
    bus.publish(event)
    assert heard == [event]
    assert heard[0] is event


def test_unsubscribing_takes_no_arguments_and_may_be_done_twice(bus: Bus) -> None:
    heard: list[Event] = []
    first = bus.on(Left, heard.append)
    bus.on(Left, heard.append)
    bus.publish(left())
    assert len(heard) == 2
    first()
    first()
    bus.publish(left())
    assert len(heard) == 3


def test_what_has_unsubscribed_is_let_go(bus: Bus) -> None:
    class Widget:
        def hear(self, event: Event) -> None:
            """Take it."""

    widget = Widget()
    unsubscribe = bus.on(Left, widget.hear)
    bus.publish(left())
    unsubscribe()
    bus.publish(left())
    reference = weakref.ref(widget)
    del widget, unsubscribe
    gc.collect()
    assert reference() is None


# What is refused


async def coroutine_function(event: Event) -> None:
    """Never awaited."""


async def async_generator(event: Event) -> Any:
    yield event


class AsyncCallable:
    async def __call__(self, event: Event) -> None:
        """Never awaited."""

    async def method(self, event: Event) -> None:
        """Never awaited."""


@pytest.mark.parametrize(
    "callback",
    [
        coroutine_function,
        async_generator,
        AsyncCallable(),
        AsyncCallable().method,
        functools.partial(coroutine_function),
    ],
)
def test_a_coroutine_function_is_refused(bus: Bus, callback: Callable[..., Any]) -> None:
    with pytest.raises(SubscriptionError, match=r"is asynchronous.*bus\.events\(Left\)"):
        bus.on(Left, callback)


@pytest.mark.parametrize("callback", [print, [].append, AsyncCallable, functools.partial(print)])
def test_a_plain_callable_is_taken(bus: Bus, callback: Callable[..., Any]) -> None:
    bus.on(Left, callback)()


@pytest.mark.parametrize("kind", ["left", int, None, left()])
def test_what_is_not_a_type_of_event_is_refused(bus: Bus, kind: Any) -> None:
    with pytest.raises(SubscriptionError, match="a type of event"):
        bus.on(kind, print)
    with pytest.raises(SubscriptionError, match="a type of event"):
        bus.events(kind)


def test_what_can_not_be_called_is_refused(bus: Bus) -> None:
    with pytest.raises(SubscriptionError, match="plain callable"):
        bus.on(Left, 5)  # type: ignore[arg-type]


def test_a_closed_bus_takes_events_but_no_subscribers(bus: Bus) -> None:
    heard: list[Event] = []
    bus.on(Event, heard.append)
    bus.close()
    bus.close()
    bus.publish(left())
    assert heard == []
    with pytest.raises(SubscriptionError, match="closed"):
        bus.on(Left, print)


# Failure


@pytest.mark.parametrize("place", [0, 1, 2])
def test_one_that_raises_harms_nobody(bus: Bus, place: int) -> None:
    heard: list[tuple[int, Event]] = []
    failures: list[SubscriberFailed] = []
    for number in range(3):
        bus.on(Left, boom if number == place else lambda event, number=number: heard.append((number, event)))
    bus.on(SubscriberFailed, failures.append)
    bus.publish(left(7.0))
    assert [number for number, _ in heard] == [number for number in range(3) if number != place]
    assert failures == [
        SubscriberFailed(
            time=99.0,
            radio="zigbee",
            device=DEVICE,
            correlation="story",
            subscriber=f"{__name__}.boom",
            error="RuntimeError: boom at 7.0",
            during="Left",
        )
    ]


def test_several_that_raise_one_of_them_twice(bus: Bus) -> None:
    heard: list[Event] = []
    failures: list[SubscriberFailed] = []
    for callback in (boom, heard.append, boom, boom, heard.append):
        bus.on(Left, callback)
    bus.on(SubscriberFailed, failures.append)
    bus.publish(left())
    assert len(heard) == 2
    assert len(failures) == 3


@pytest.mark.parametrize("kind", [SubscriberFailed, HubEvent, Event])
def test_failing_at_the_news_of_a_failure_ends_there(
    bus: Bus, kind: type[Event], caplog: pytest.LogCaptureFixture
) -> None:
    heard: list[Event] = []
    bus.on(Left, boom)
    bus.on(kind, boom)
    bus.on(Event, heard.append)
    bus.publish(left())
    first = 1 if kind is not Event else 2
    assert [type(event) for event in heard] == [Left] + [SubscriberFailed] * first
    assert len(caplog.records) == 2 * first


def test_a_cancelled_future_s_result_is_a_failure_too(bus: Bus) -> None:
    def ask(_: Event) -> None:
        raise asyncio.CancelledError

    heard: list[Event] = []
    bus.on(Left, ask)
    bus.on(Left, heard.append)
    bus.publish(left())
    assert len(heard) == 1


def test_an_error_whose_text_can_not_be_made(bus: Bus) -> None:
    class Nasty(Exception):
        def __str__(self) -> str:
            raise ValueError

    def raise_it(_: Event) -> None:
        raise Nasty

    failures: list[SubscriberFailed] = []
    bus.on(Left, raise_it)
    bus.on(SubscriberFailed, failures.append)
    bus.publish(left())
    assert failures[0].error == "Nasty: (its text can't be made)"


def test_the_text_of_an_error_is_cleaned_and_cut(bus: Bus) -> None:
    def raise_it(_: Event) -> None:
        raise RuntimeError("\x1b[31m" + "x" * 10_000)

    failures: list[SubscriberFailed] = []
    bus.on(Left, raise_it)
    bus.on(SubscriberFailed, failures.append)
    bus.publish(left())
    assert "\x1b" not in failures[0].error
    assert len(failures[0].error) == 200


@pytest.mark.parametrize("before", [[], [boom]])
def test_the_end_of_the_program_goes_through_and_the_bus_still_works(
    bus: Bus, before: list[Callable[[Event], None]]
) -> None:
    def stop(_: Event) -> None:
        raise KeyboardInterrupt

    for callback in before:
        bus.on(Left, callback)
    unsubscribe = bus.on(Left, stop)
    heard: list[Event] = []
    bus.on(Event, heard.append)
    with pytest.raises(KeyboardInterrupt):
        bus.publish(left(1))
    assert heard == []
    unsubscribe()
    bus.publish(left(2))
    told = [SubscriberFailed] * len(before)
    assert [type(event) for event in heard] == [*told, Left, *told]


async def test_what_waited_when_the_program_was_to_end_comes_in_the_loop_s_next_turn() -> None:
    def stop(_: Event) -> None:
        raise KeyboardInterrupt

    bus = Bus()
    heard: list[Event] = []
    bus.on(Left, boom)
    bus.on(Left, stop)
    bus.on(SubscriberFailed, heard.append)
    with pytest.raises(KeyboardInterrupt):
        bus.publish(left())
    assert heard == []
    await asyncio.sleep(0)
    assert [type(event) for event in heard] == [SubscriberFailed]


# Inside a callback


def test_an_event_published_in_a_callback_comes_after_the_present_one(bus: Bus) -> None:
    heard: list[str] = []

    def answer(event: Left) -> None:
        heard.append("first hears left")
        bus.publish(Released(time=1.0, by="a"))
        bus.publish(Released(time=2.0, by="b"))
        heard.append("first is done")

    bus.on(Left, answer)
    bus.on(Left, lambda _: heard.append("second hears left"))
    bus.on(Released, lambda event: heard.append(f"released by {event.by}"))
    bus.publish(left())
    assert heard == [
        "first hears left",
        "first is done",
        "second hears left",
        "released by a",
        "released by b",
    ]


def test_events_published_in_callbacks_of_such_events_come_last(bus: Bus) -> None:
    heard: list[float] = []

    def answer(event: Left) -> None:
        heard.append(event.time)
        if event.time < 100:
            bus.publish(left(event.time * 10 + 1))
            bus.publish(left(event.time * 10 + 2))

    bus.on(Left, answer)
    bus.publish(left(1))
    assert heard == [1, 11, 12, 111, 112, 121, 122]


def test_who_subscribes_in_a_callback_hears_the_next_event(bus: Bus) -> None:
    heard: list[Event] = []
    done: list[bool] = []

    def subscribe(_: Event) -> None:
        if not done:
            done.append(True)
            bus.on(Left, heard.append)

    bus.on(Left, subscribe)
    bus.publish(left(1))
    assert heard == []
    bus.publish(left(2))
    assert [event.time for event in heard] == [2]


@pytest.mark.parametrize("also_subscribe", [False, True])
@pytest.mark.parametrize("then_raise", [False, True])
def test_who_is_unsubscribed_in_a_callback_is_not_called_again(
    bus: Bus, also_subscribe: bool, then_raise: bool
) -> None:
    heard: list[str] = []
    ends: list[Callable[[], None]] = []

    def end_all(_: Event) -> None:
        heard.append("ends")
        if also_subscribe:
            bus.on(Left, lambda _: heard.append("new"))
        for end in ends:
            end()
        if then_raise:
            raise RuntimeError

    ends.append(bus.on(Left, end_all))
    ends.append(bus.on(Left, lambda _: heard.append("ended")))
    bus.on(Left, lambda _: heard.append("stays"))
    bus.publish(left())
    assert heard == ["ends", "stays"]
    bus.publish(left())
    assert heard == ["ends", "stays", "stays"] + ["new"] * also_subscribe


def test_a_circle_does_not_hold_the_loop_up(bus: Bus, caplog: pytest.LogCaptureFixture) -> None:
    heard: list[Event] = []

    def circle(event: Left) -> None:
        heard.append(event)
        if len(heard) < 3 * CASCADE_LIMIT:
            bus.publish(left(event.time + 1))

    async def main() -> list[int]:
        bus.on(Left, circle)
        bus.publish(left())
        counts = [len(heard)]
        bus.publish(Released(time=-1.0, by="late"))  # must not overtake
        for _ in range(3):
            await asyncio.sleep(0)
            counts.append(len(heard))
        return counts

    last: list[int] = []
    bus.on(Released, lambda _: last.append(len(heard)))
    counts = asyncio.run(main())
    assert counts == [1 + CASCADE_LIMIT, 2 * CASCADE_LIMIT, 3 * CASCADE_LIMIT, 3 * CASCADE_LIMIT]
    assert [event.time for event in heard] == list(range(3 * CASCADE_LIMIT))
    assert last[0] == 1 + CASCADE_LIMIT + 1
    assert "without an end" in caplog.text


def test_a_circle_without_a_loop_goes_on_with_the_next_event(bus: Bus) -> None:
    heard: list[float] = []

    def circle(event: Left) -> None:
        heard.append(event.time)
        if event.time <= CASCADE_LIMIT:
            bus.publish(left(event.time + 1))

    bus.on(Left, circle)
    bus.publish(left())
    assert heard == list(range(CASCADE_LIMIT + 1))
    bus.publish(left(1_000_000))
    assert heard[CASCADE_LIMIT + 1 :] == [CASCADE_LIMIT + 1, 1_000_000]


# Threads


def in_a_thread(work: Callable[[], object]) -> list[BaseException]:
    """Run `work` in another thread; what it raised."""
    raised: list[BaseException] = []

    def run() -> None:
        try:
            work()
        except BaseException as error:  # noqa: BLE001 - handed to the test
            raised.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    return raised


async def test_an_event_from_another_thread_is_handed_over() -> None:
    bus = Bus()
    heard: list[tuple[float, int]] = []
    bus.on(Left, lambda event: heard.append((event.time, threading.get_ident())))

    def work() -> None:
        for number in range(3):
            bus.publish_threadsafe(left(number))

    assert in_a_thread(work) == []
    assert heard == []
    await asyncio.sleep(0)
    assert heard == [(number, threading.get_ident()) for number in range(3)]


async def test_an_event_from_another_thread_s_loop_is_handed_over() -> None:
    bus = Bus()
    heard: list[int] = []
    bus.on(Left, lambda _: heard.append(threading.get_ident()))

    async def other_loop() -> None:
        bus.publish_threadsafe(left())

    assert in_a_thread(lambda: asyncio.run(other_loop())) == []
    assert heard == []
    await asyncio.sleep(0)
    assert heard == [threading.get_ident()]


async def test_at_home_the_threadsafe_way_is_the_same() -> None:
    bus = Bus()
    heard: list[Event] = []
    bus.on(Left, heard.append)
    bus.publish_threadsafe(left())
    assert len(heard) == 1


@pytest.mark.parametrize("made_in_the_loop", [True, False])
def test_in_debug_mode_an_event_from_another_thread_is_handed_over_and_said(
    made_in_the_loop: bool, caplog: pytest.LogCaptureFixture
) -> None:
    heard: list[int] = []
    early = None if made_in_the_loop else Bus()

    async def main() -> None:
        bus = early or Bus()
        bus.on(Left, lambda event: heard.append(threading.get_ident()))
        bus.publish(left())
        bus.publish(left())
        assert len(heard) == 2
        assert caplog.text == ""
        assert in_a_thread(lambda: bus.publish(left())) == []
        assert len(heard) == 2
        await asyncio.sleep(0)

    asyncio.run(main(), debug=True)
    assert heard == [threading.get_ident()] * 3
    assert "use publish_threadsafe" in caplog.text


async def test_subscribing_from_another_thread_is_refused() -> None:
    bus = Bus()
    unsubscribe = bus.on(Left, print)
    raised = in_a_thread(lambda: bus.on(Left, print)) + in_a_thread(unsubscribe)
    assert [type(error) for error in raised] == [SubscriptionError, SubscriptionError]
    unsubscribe()


def test_after_the_loop_is_closed_another_thread_s_event_is_lost_and_said(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def main() -> Bus:
        return Bus()

    bus = asyncio.run(main())
    heard: list[Event] = []
    bus.on(Left, heard.append)
    assert in_a_thread(lambda: bus.publish_threadsafe(left(1))) == []
    assert "Left is lost" in caplog.text
    bus.publish(left(2))
    assert [event.time for event in heard] == [2]


def test_a_bus_moves_from_a_closed_loop_to_a_running_one(bus: Bus) -> None:
    heard: list[Event] = []

    async def main() -> None:
        bus.on(Left, heard.append)()
        bus.on(Left, heard.append)
        in_a_thread(lambda: bus.publish_threadsafe(left()))
        await asyncio.sleep(0)

    asyncio.run(main())
    assert len(heard) == 1
    in_a_thread(lambda: asyncio.run(main()))  # another thread's loop, while the first one is closed
    assert len(heard) == 3


# All of it at once

ACTIONS = st.lists(
    st.tuples(st.sampled_from(["on", "off", "raise", "publish"]), st.integers(0, 9)), max_size=40
)
KINDS: tuple[type[Event], ...] = (Event, JoinEvent, Left, DeviceEvent, Quarantined, StoreAlarm)


@given(ACTIONS)
def test_every_subscriber_gets_what_a_plain_list_would_give_it(actions: list[tuple[str, int]]) -> None:
    """A model: each subscriber's events are those published while it was subscribed, in order, whatever others do."""
    bus = Bus()
    seen: dict[int, list[Event]] = {}
    expected: dict[int, list[Event]] = {}
    live: dict[int, tuple[type[Event], Callable[[], None]]] = {}
    published = 0

    def publish(event: Event) -> None:
        for number, (kind, _) in live.items():
            if isinstance(event, kind):
                expected[number].append(event)
        bus.publish(event)

    for step, (action, number) in enumerate(actions):
        if action == "on":
            kind = KINDS[number % len(KINDS)]
            seen[step], expected[step] = [], []
            live[step] = (kind, bus.on(kind, seen[step].append))
        elif action == "off" and live:
            _, end = live.pop(sorted(live)[number % len(live)])
            end()
        elif action == "raise":
            bus.on(KINDS[number % len(KINDS)], boom)
        elif action == "publish":
            published += 1
            publish(left(published) if number % 2 else StoreAlarm(time=published, reason="full"))
    for number, events in seen.items():
        assert [event for event in events if type(event) is not SubscriberFailed] == expected[number]

"""Mailboxes: bounded, ended by who reads them or by their own rule, and harmless to everybody else."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from hubsec.bus import Bus, EventStream, Overflow, Overflowed, SubscriptionError
from hubsec.events import Denied, Event, HubEvent, Left, Released, SubscriberSlow


def left(number: float = 0.0) -> Left:
    return Left(time=number)


async def times(stream: EventStream[Any]) -> list[float]:
    return [event.time async for event in stream]


async def test_a_stream_gets_its_type_in_order() -> None:
    bus = Bus()
    async with bus.events(Left) as stream:
        for number in range(5):
            bus.publish(left(number))
            bus.publish(Released(time=0.5, by="op"))
        bus.close()
        assert await times(stream) == [0, 1, 2, 3, 4]


async def test_a_reader_is_woken() -> None:
    bus = Bus()
    async with bus.events(Event) as stream:
        reader = asyncio.create_task(anext(stream))
        await asyncio.sleep(0)
        event = left()
        bus.publish(event)
        bus.publish(left(1))
        assert await reader is event
        assert (await anext(stream)).time == 1


async def test_a_reader_waits_again_after_each_event() -> None:
    bus = Bus()
    got: list[float] = []

    async def read() -> None:
        async with bus.events(Left) as stream:
            async for event in stream:
                got.append(event.time)  # noqa: PERF401 - one by one is what is tested

    reader = asyncio.create_task(read())
    for number in range(3):
        await asyncio.sleep(0)
        bus.publish(left(number))
    await asyncio.sleep(0)
    assert got == [0, 1, 2]
    bus.close()
    await reader
    assert got == [0, 1, 2]


async def test_events_from_before_and_after_the_block_are_not_collected() -> None:
    bus = Bus()
    stream = bus.events(Left)
    bus.publish(left(1))
    async with stream:
        bus.publish(left(2))
        assert (await anext(stream)).time == 2
        bus.publish(left(3))
    bus.publish(left(4))
    assert await times(stream) == []


async def test_a_reader_that_waits_when_the_block_ends_is_told() -> None:
    bus = Bus()
    async with bus.events(Left) as stream:
        reader = asyncio.create_task(times(stream))
        await asyncio.sleep(0)
    assert await reader == []


async def test_a_reader_that_was_cancelled_may_come_back() -> None:
    bus = Bus()
    async with bus.events(Left) as stream:
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(anext(stream), 0.001)
        bus.publish(left(1))
        assert (await anext(stream)).time == 1


async def test_a_reader_that_is_cancelled_when_its_event_is_there_loses_nothing() -> None:
    bus = Bus()
    async with bus.events(Left) as stream:
        reader = asyncio.create_task(anext(stream))
        await asyncio.sleep(0)
        bus.publish(left(1))
        reader.cancel()
        with pytest.raises(asyncio.CancelledError):
            await reader
        assert (await anext(stream)).time == 1


async def test_one_task_reads() -> None:
    bus = Bus()
    async with bus.events(Left) as stream:
        reader = asyncio.create_task(anext(stream))
        await asyncio.sleep(0)
        with pytest.raises(SubscriptionError, match="One task"):
            await anext(stream)
        bus.publish(left(1))
        assert (await reader).time == 1


async def test_a_stream_is_read_inside_its_block_and_entered_once() -> None:
    bus = Bus()
    stream = bus.events(Left)
    with pytest.raises(SubscriptionError, match="inside its block"):
        await anext(stream)
    async with stream:
        with pytest.raises(SubscriptionError, match="entered once"):
            await stream.__aenter__()
    with pytest.raises(SubscriptionError, match="entered once"):
        await stream.__aenter__()


@pytest.mark.parametrize("bad", [{"capacity": 0}, {"capacity": -1}, {"overflow": "block"}])
async def test_what_makes_no_mailbox_is_refused(bad: dict[str, Any]) -> None:
    with pytest.raises(SubscriptionError):
        Bus().events(Left, **bad)


async def test_batches_give_all_there_is() -> None:
    bus = Bus()
    got: list[list[float]] = []

    async def read() -> None:
        async with bus.events(Left, capacity=3) as stream:
            async for batch in stream.batches():
                got.append([event.time for event in batch])  # noqa: PERF401 - one by one is what is tested

    reader = asyncio.create_task(read())
    for burst in ([1], [2, 3], [4, 5, 6, 7]):
        await asyncio.sleep(0)
        for number in burst:
            bus.publish(left(number))
    await asyncio.sleep(0)
    bus.publish(left(8))
    bus.close()
    await reader
    assert got == [[1], [2, 3], [5, 6, 7], [8]]


async def test_batches_end_with_an_overflow_as_single_events_do() -> None:
    bus = Bus()
    async with bus.events(Left, capacity=1, overflow=Overflow.CLOSE) as stream:
        bus.publish(left(1))
        bus.publish(left(2))
        batches = stream.batches()
        assert [event.time for event in await anext(batches)] == [1]
        with pytest.raises(Overflowed):
            await anext(batches)


# Overflow


@pytest.mark.parametrize(
    ("overflow", "kept"), [(Overflow.DROP_OLDEST, [7, 8, 9]), (Overflow.DROP_NEWEST, [0, 1, 2])]
)
async def test_a_full_mailbox_loses_events_by_its_rule_and_nobody_else_does(
    overflow: Overflow, kept: list[float]
) -> None:
    bus = Bus(clock=lambda: 99.0)
    everything: list[float] = []
    slow: list[SubscriberSlow] = []
    async with (
        bus.events(Left, capacity=3, overflow=overflow, name="lazy") as stream,
        bus.events(Left) as other,
    ):
        bus.on(Left, lambda event: everything.append(event.time))
        bus.on(SubscriberSlow, slow.append)
        for number in range(10):
            bus.publish(left(number))
        assert stream.dropped == 7
        assert other.dropped == 0
        bus.close()
        assert await times(stream) == kept
        assert await times(other) == everything == list(range(10))
    assert [event.dropped for event in slow] == [1, 2, 4]
    assert {(event.subscriber, event.time) for event in slow} == {("lazy", 99.0)}


async def test_a_mailbox_that_closes_gives_what_it_holds_and_then_says_so() -> None:
    bus = Bus()
    slow: list[SubscriberSlow] = []
    bus.on(SubscriberSlow, slow.append)
    async with bus.events(Left, capacity=2, overflow=Overflow.CLOSE) as stream:
        for number in range(5):
            bus.publish(left(number))
        assert [(await anext(stream)).time, (await anext(stream)).time] == [0, 1]
        for _ in range(2):
            with pytest.raises(Overflowed) as raised:
                await anext(stream)
            assert raised.value.dropped == 1
    assert [event.dropped for event in slow] == [1]
    assert slow[0].subscriber == "stream of Left"


async def test_a_mailbox_that_closes_ends_quietly_when_it_did_not_overflow() -> None:
    bus = Bus()
    async with bus.events(Left, capacity=2, overflow=Overflow.CLOSE) as stream:
        bus.publish(left(1))
        bus.publish(left(2))
        bus.close()
        assert await times(stream) == [1, 2]


@pytest.mark.parametrize("overflow", list(Overflow))
@pytest.mark.parametrize("kind", [Event, HubEvent, SubscriberSlow])
async def test_the_news_of_a_slow_reader_in_its_own_mailbox_makes_no_circle(
    kind: type[Event], overflow: Overflow
) -> None:
    bus = Bus()
    slow: list[Event] = []
    async with bus.events(Left, capacity=1), bus.events(kind, capacity=1, overflow=overflow):
        bus.on(SubscriberSlow, slow.append)
        for number in range(100):
            bus.publish(left(number))
    assert 7 <= len(slow) <= 14


async def test_a_reader_that_keeps_up_is_never_slow() -> None:
    bus = Bus()
    slow: list[Event] = []
    bus.on(SubscriberSlow, slow.append)
    async with bus.events(Left, capacity=1) as stream:
        for number in range(20):
            bus.publish(left(number))
            assert (await anext(stream)).time == number
    assert slow == []


async def test_no_task_is_made_for_an_event() -> None:
    bus = Bus()
    async with bus.events(Event) as stream:
        before = asyncio.all_tasks()
        for number in range(50):
            bus.publish(left(number))
        assert asyncio.all_tasks() == before
        assert (await anext(stream)).time == 0


async def test_a_type_checker_knows_what_a_stream_gives() -> None:
    bus = Bus()
    async with bus.events(Denied) as stream:
        bus.close()
        rules: list[str] = [event.rule async for event in stream]
    assert rules == []

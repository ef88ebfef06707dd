"""Bursts of events to coroutines: hubsec's mailboxes, and awaiting each coroutine in turn, which needs no mailbox.

"hubsec" reads batches. "one at a time" is `async for` over single events, which makes a coroutine for each of them:
that alone costs more than awaiting a subscriber does. So its limit is the least that can be done that way: an append to
a deque for each reader, and `async for` over that deque.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from functools import partial
from typing import Self

from benchmarks.harness import ROUNDS, Row, rows
from hubsec.bus import Bus, EventStream
from hubsec.events import Left

AIM = 1.6
ONE_AT_A_TIME_AIM = 1.75
EACH_IN_TURN, ITERATED = "await each in turn", "a deque and async for"
BATCHES, ONE_AT_A_TIME = "hubsec", "hubsec, one at a time"
BURST = 64
BURSTS = {1: 400, 10: 60, 100: 8}
"""How many bursts make one sample, by number of subscribers."""


async def hear(event: object) -> None:
    """Do nothing with it."""


class Readers:
    """Tasks that read every event of their bus, and how many that were."""

    def __init__(self) -> None:
        self.heard = 0

    async def batches(self, stream: EventStream[Left]) -> None:
        """Read what there is at once."""
        async for batch in stream.batches():
            for event in batch:
                del event
            self.heard += len(batch)

    async def one_at_a_time(self, stream: AsyncIterator[Left]) -> None:
        """Read one event after the other."""
        count = 0
        async for _ in stream:
            count += 1
        self.heard += count


async def await_each(subscribers: int, bursts: int) -> None:
    """The limit."""
    event = Left(time=0.0)
    calls = [hear] * subscribers
    for _ in range(bursts):
        for _ in range(BURST):
            for call in calls:
                await call(event)
        await asyncio.sleep(0)


class Drained:
    """The plainest asynchronous iterator over a deque. It ends when that is empty."""

    def __init__(self, events: deque[Left]) -> None:
        self.events = events

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Left:
        if not self.events:
            raise StopAsyncIteration
        return self.events.popleft()


async def iterate_each(subscribers: int, bursts: int) -> None:
    """The limit of who wants single events."""
    event = Left(time=0.0)
    readers = Readers()
    queues: list[deque[Left]] = [deque() for _ in range(subscribers)]
    for _ in range(bursts):
        for _ in range(BURST):
            for queue in queues:
                queue.append(event)
        for queue in queues:
            await readers.one_at_a_time(Drained(queue))
        await asyncio.sleep(0)
    assert readers.heard == subscribers * bursts * BURST


async def publish_each(bus: Bus, bursts: int) -> None:
    """The same through a bus whose readers are waiting."""
    event = Left(time=0.0)
    for _ in range(bursts):
        for _ in range(BURST):
            bus.publish(event)
        await asyncio.sleep(0)
    await asyncio.sleep(0)


async def compare(subscribers: int) -> dict[str, list[float]]:
    """Seconds for one event to all subscribers, one value a round."""
    bursts = BURSTS[subscribers]
    readers = Readers()
    buses = {BATCHES: (Bus(), readers.batches), ONE_AT_A_TIME: (Bus(), readers.one_at_a_time)}
    cases: dict[str, Callable[[], Awaitable[None]]] = {
        EACH_IN_TURN: partial(await_each, subscribers, bursts),
        ITERATED: partial(iterate_each, subscribers, bursts),
        **{name: partial(publish_each, bus, bursts) for name, (bus, _) in buses.items()},
    }
    values: dict[str, list[float]] = {name: [] for name in cases}
    async with AsyncExitStack() as stack:
        tasks = []
        for bus, read in buses.values():
            for _ in range(subscribers):
                stream = await stack.enter_async_context(bus.events(Left))
                tasks.append(asyncio.create_task(read(stream)))
        await asyncio.sleep(0)
        for _ in range(ROUNDS + 1):
            for name, case in cases.items():
                started = time.perf_counter()
                await case()
                values[name].append(time.perf_counter() - started)
        for bus, _ in buses.values():
            bus.close()
        await asyncio.gather(*tasks)
    events = bursts * BURST
    assert readers.heard == len(buses) * (ROUNDS + 1) * events * subscribers
    # The first round is for warming up.
    return {name: [taken / events for taken in measured[1:]] for name, measured in values.items()}


def run() -> list[Row]:
    """The lines of the table."""
    lines = []
    for subscribers in BURSTS:
        title = f"streams in bursts of {BURST}, {subscribers} reader{'s' * (subscribers > 1)}"
        values = asyncio.run(compare(subscribers))
        for limit, ours, aim in ((EACH_IN_TURN, BATCHES, AIM), (ITERATED, ONE_AT_A_TIME, ONE_AT_A_TIME_AIM)):
            lines += rows(title, {name: values[name] for name in (limit, ours)}, ours=(ours,), aim=aim)
        floor = rows(title, {name: values[name] for name in (EACH_IN_TURN, ITERATED)}, ours=(), aim=None)
        lines.append(floor[1])
    return lines

"""Bursts of events to coroutines: hubsec's mailboxes, and awaiting each coroutine in turn, which needs no mailbox.

"hubsec" reads batches. "one at a time" is `async for` over single events, which makes a coroutine for each of them:
that alone costs what awaiting the subscriber does, and it is held to the same aim.
"""

from __future__ import annotations

import asyncio
import time
from contextlib import AsyncExitStack

from benchmarks.harness import ROUNDS, Row, rows
from hubsec.bus import Bus, EventStream
from hubsec.events import Left

AIM = 1.6
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

    async def one_at_a_time(self, stream: EventStream[Left]) -> None:
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
    buses = {"hubsec": (Bus(), readers.batches), "hubsec, one at a time": (Bus(), readers.one_at_a_time)}
    values: dict[str, list[float]] = {"await each in turn": [], **{name: [] for name in buses}}
    async with AsyncExitStack() as stack:
        tasks = []
        for bus, read in buses.values():
            for _ in range(subscribers):
                stream = await stack.enter_async_context(bus.events(Left))
                tasks.append(asyncio.create_task(read(stream)))
        await asyncio.sleep(0)
        for _ in range(ROUNDS + 1):
            started = time.perf_counter()
            await await_each(subscribers, bursts)
            values["await each in turn"].append(time.perf_counter() - started)
            for name, (bus, _) in buses.items():
                started = time.perf_counter()
                await publish_each(bus, bursts)
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
        lines += rows(
            title, asyncio.run(compare(subscribers)), ours=("hubsec", "hubsec, one at a time"), aim=AIM
        )
    return lines

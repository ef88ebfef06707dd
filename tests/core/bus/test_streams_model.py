"""Mailboxes against a plain model of them, under any order of publishing, reading, giving up and closing."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)

from hubsec.bus import Bus, EventStream, Overflow, Overflowed
from hubsec.events import Event, Left, SubscriberFailed, SubscriberSlow

if TYPE_CHECKING:
    from collections.abc import Coroutine

STREAMS = 2
RADIOS = ("zigbee", "zwave")

streams = st.integers(0, STREAMS - 1)
bursts = st.lists(st.sampled_from(RADIOS), min_size=1, max_size=6)
setups = st.tuples(st.integers(1, 4), st.sampled_from(Overflow), st.sampled_from([None, "zigbee"]))


type Setup = tuple[int, Overflow, str | None]
type Given = list[Left] | type[Exception] | None
"""What a read gives: events, how the stream ended, or, while it waits, None."""


@dataclass
class Model:
    """What a mailbox is to do, in the plainest words."""

    setup: Setup
    unread: list[Left] = field(default_factory=list)
    dropped: int = 0
    ended: bool = False
    slow: list[int] = field(default_factory=list)

    def put(self, event: Left) -> None:
        capacity, overflow, radio = self.setup
        if self.ended or radio not in {None, event.radio}:
            return
        if len(self.unread) < capacity:
            self.unread.append(event)
            return
        self.dropped += 1
        if self.dropped >= 2 * sum(self.slow[-1:]):
            self.slow.append(self.dropped)
        if overflow is Overflow.DROP_OLDEST:
            self.unread = [*self.unread[1:], event]
        elif overflow is Overflow.CLOSE:
            self.ended = True

    def read(self, *, batch: bool) -> Given:
        if not self.unread:
            ending = Overflowed if self.setup[1] is Overflow.CLOSE and self.dropped else StopAsyncIteration
            return ending if self.ended else None
        count = len(self.unread) if batch else 1
        given, self.unread = self.unread[:count], self.unread[count:]
        return given


class Reader:
    """A task that reads: once, or, `following`, until the end."""

    def __init__(self, stream: EventStream[Left], *, batch: bool, following: bool) -> None:
        self.batch = batch
        self.following = following
        self.given: list[Given] = []
        self.task = asyncio.create_task(self._read(stream))

    async def _read(self, stream: EventStream[Left]) -> None:
        self.given.append(await read(stream, batch=self.batch))
        while self.following and isinstance(self.given[-1], list):
            self.given.append(await read(stream, batch=self.batch))


async def read(stream: EventStream[Left], *, batch: bool) -> Given:
    try:
        return await anext(stream.batches()) if batch else [await anext(stream)]
    except (StopAsyncIteration, Overflowed) as error:
        return type(error)


class Mailboxes(RuleBasedStateMachine):
    """Two mailboxes on one bus, with plain callbacks in front of them, between them and behind them."""

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.bus = Bus(clock=lambda: 0.0)
        self.streams: list[EventStream[Left]] = []
        self.models: list[Model] = []
        self.readers: dict[int, Reader] = {}
        self.published: list[Left] = []
        self.heard: list[tuple[str, Event]] = []
        self.told: list[tuple[str, int]] = []
        self.failures = 0
        self.failed: list[Event] = []
        self.number = 0
        self.opened = 0
        self.answer: Left | None = None
        self.ending: int | None = None
        self.failing = False

    def run(self, what: Coroutine[Any, Any, Any]) -> Any:
        return self.runner.run(what)

    @initialize(some=st.tuples(*[setups] * STREAMS))
    def open(self, some: tuple[Setup, ...]) -> None:
        self.run(self._open(some))
        for number in range(STREAMS):
            self.run(self._begin(number, batch=number > 0, following=True))
        self._turn()

    async def _open(self, some: tuple[Setup, ...]) -> None:
        self.bus.on(Left, self._in_front)
        for setup in some:
            stream, model = await self._open_one(setup)
            self.streams.append(stream)
            self.models.append(model)
            self.bus.on(Left, self._behind)
        self.bus.on(SubscriberSlow, lambda event: self.told.append((event.subscriber, event.dropped)))
        self.bus.on(SubscriberFailed, self.failed.append)

    async def _open_one(self, setup: Setup) -> tuple[EventStream[Left], Model]:
        capacity, overflow, radio = setup
        self.opened += 1
        stream = self.bus.events(
            Left, capacity=capacity, overflow=overflow, radio=radio, name=str(self.opened)
        )
        return await stream.__aenter__(), Model(setup)

    def _in_front(self, event: Left) -> None:
        self.heard.append(("in front", event))
        answer, self.answer = self.answer, None
        if answer is not None:
            self.bus.publish(answer)
        if self.ending is not None:
            self.streams[self.ending].close()

    def _behind(self, event: Left) -> None:
        self.heard.append(("behind", event))
        if self.failing:
            raise IndexError("deque already at its maximum size")  # as a full mailbox does, but it is none

    def left(self, radio: str) -> Left:
        self.number += 1
        return Left(time=float(self.number), radio=radio)

    @rule(burst=bursts, turn=st.booleans())
    def publish(self, burst: list[str], turn: bool) -> None:
        """With a `turn` those who were woken read; without, they have still to do so."""
        events = [self.left(radio) for radio in burst]
        self._expect(*events)
        for event in events:
            self.bus.publish(event)
        if turn:
            self._turn()

    @rule(radio=st.sampled_from(RADIOS), other=st.sampled_from(RADIOS), failing=st.booleans())
    def publish_while_delivering(self, radio: str, other: str, failing: bool) -> None:
        event, self.answer = self.left(radio), self.left(other)
        self._expect(event, self.answer)
        self.failing = failing
        self.bus.publish(event)
        self.failing = False
        self.failures += 2 * STREAMS * failing

    @rule(radio=st.sampled_from(RADIOS), number=streams)
    def close_while_delivering(self, radio: str, number: int) -> None:
        event, self.ending = self.left(radio), number
        self.models[number].ended = True
        self._expect(event)
        self.bus.publish(event)
        self.ending = None

    @rule(number=streams, batch=st.booleans(), following=st.booleans())
    def begin_to_read(self, number: int, batch: bool, following: bool) -> None:
        """A stream that has ended is read to its end first, and another takes its place."""
        self._turn()
        if number in self.readers:
            return
        model = self.models[number]
        if model.ended:
            self._read_to_the_end(number)
            self.streams[number], self.models[number] = self.run(self._open_one(model.setup))
        self.run(self._begin(number, batch=batch, following=following))
        self._turn()

    async def _begin(self, number: int, *, batch: bool, following: bool) -> None:
        self.readers[number] = Reader(self.streams[number], batch=batch, following=following)

    @rule(number=streams)
    def give_up(self, number: int) -> None:
        if (reader := self.readers.pop(number, None)) is not None:
            reader.task.cancel()
            self._turn()
            assert reader.task.cancelled()

    @rule(number=streams)
    def close(self, number: int) -> None:
        self.streams[number].close()
        self.models[number].ended = True

    @invariant()
    def all_is_as_in_the_model(self) -> None:
        for stream, model in zip(self.streams, self.models, strict=True):
            assert stream.dropped == model.dropped
            assert [dropped for name, dropped in self.told if name == stream.name] == model.slow
        everybody = ["in front", *["behind"] * STREAMS]
        assert self.heard == [(place, event) for event in self.published for place in everybody]
        assert len(self.failed) == self.failures

    def _expect(self, *events: Left) -> None:
        self.published.extend(events)
        for model in self.models:
            for event in events:
                model.put(event)

    def _turn(self) -> None:
        """Let everybody who can read do so."""
        self.run(asyncio.sleep(0))
        self.run(asyncio.sleep(0))
        for number, reader in list(self.readers.items()):
            expected = []
            while (given := self.models[number].read(batch=reader.batch)) is not None:
                expected.append(given)
                if not (reader.following and isinstance(given, list)):
                    del self.readers[number]
                    break
            assert reader.given == expected
            assert reader.task.done() == (number not in self.readers)
            reader.given.clear()

    def _read_to_the_end(self, number: int) -> None:
        assert number not in self.readers
        expected: Given = []
        while isinstance(expected, list):
            expected = self.models[number].read(batch=True)
            assert self.run(read(self.streams[number], batch=True)) == expected

    def teardown(self) -> None:
        """Everything ends, and what is still in the mailboxes is what the model has."""
        try:
            self.bus.close()
            for model in self.models:
                model.ended = True
            self._turn()
            for number in range(len(self.streams)):
                self._read_to_the_end(number)
        finally:
            self.runner.close()


def test_whatever_happens_mailboxes_do_what_the_model_does() -> None:
    run_state_machine_as_test(
        Mailboxes, settings=settings(max_examples=100, stateful_step_count=40, deadline=None)
    )

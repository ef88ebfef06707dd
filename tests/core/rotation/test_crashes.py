"""A rotation that is killed, loses its radio, its store or its memory, at any moment: it ends, and nobody is lost
unnamed.

A state machine: hypothesis chooses what happens between two turns of the event loop. What must hold is looked at when
anything goes out, and in the end.
"""

from __future__ import annotations

import asyncio
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from hubsec.errors import RotationStopped
from hubsec.rotation.runner import Runner
from hubsec.rotation.shapes import Delivery, Outcome, RotationProgress, Step, Way
from tests.core.rotation.network import FakeKeys, Lamp, Notes, SoonLoop, name_of, runner_of, staged

LAMPS = 5
NEWCOMERS = range(0x20, 0x23)
SENDING = {Step.DELIVERING, Step.SWITCHING}
PATIENCE = 900.0


class Crashes(RuleBasedStateMachine):
    """One rotation, and whatever can go wrong."""

    def __init__(self) -> None:
        super().__init__()
        self.loop = SoonLoop()
        self.task: asyncio.Task[None] | None = None
        self.runner: Runner | None = None
        self.stale = False
        self.stopped = False

    @initialize(
        way=st.sampled_from(Way),
        sleepy=st.sets(st.integers(1, LAMPS), max_size=2),
        dead=st.sets(st.integers(1, LAMPS), max_size=2),
        out=st.sets(st.integers(1, LAMPS), max_size=2),
        loss=st.sampled_from([0.0, 0.0, 0.2]),
        seed=st.integers(0, 1 << 16),
    )
    def begin(
        self, way: Way, sleepy: set[int], dead: set[int], out: set[int], loss: float, seed: int
    ) -> None:
        lamps = [
            Lamp(number, sleepy=number in sleepy, power=number not in dead) for number in range(1, LAMPS + 1)
        ]
        self.radio = FakeKeys(lamps, seed=seed, loss=loss)
        self.out = {name_of(number) for number in out} if way is Way.UNICAST else set()
        self.notes = Notes(staged(self.radio, way, left_out=sorted(self.out), patience=PATIENCE))
        self.chain = [one.key.reveal() for one in self.notes.journal.chain]
        self.radio.check = self.check
        self.newcomers = list(NEWCOMERS)
        self.start()

    def check(self, what: str, key: bytes) -> None:
        """Rules 2, 5 and 8: durable before it goes out, never another key, never to who is left out."""
        journal = self.notes.journal
        assert key == journal.next.key.reveal()
        assert journal.step is Step.SWITCHING if what == "switch" else journal.step in SENDING
        assert journal.keys == self.notes.first.keys
        assert self.notes.held or what != "switch"

    def start(self) -> None:
        async def run() -> None:
            self.runner = runner_of(self.notes, self.radio)
            await self.runner.run()

        self.task = self.loop.create_task(run())
        self.turn(1)

    def turn(self, times: int) -> None:
        """Let the loop run, `times` turns."""
        for _ in range(times):
            if self.task is None or self.task.done():
                return
            self.loop.call_soon(self.loop.stop)
            self.loop.run_forever()

    def over(self) -> bool:
        return self.notes.end is not None or self.stopped

    # What happens

    @precondition(lambda self: not self.over())
    @rule(times=st.integers(1, 60))
    def go_on(self, times: int) -> None:
        self.turn(times)

    @precondition(lambda self: not self.over())
    @rule(times=st.integers(1, 400))
    def go_on_long(self, times: int) -> None:
        self.turn(times)

    @precondition(lambda self: not self.over())
    @rule(forgets=st.booleans())
    def kill(self, forgets: bool) -> None:
        """The program is killed, and started anew; the stick may have been unplugged as well."""
        self.end_task()
        self.radio.reset(forgets=forgets)
        self.notes.held = False
        if not self.over():
            self.start()

    @precondition(lambda self: not self.over())
    @rule(down=st.booleans())
    def plug(self, down: bool) -> None:
        self.radio.down = down

    @precondition(lambda self: not self.over())
    @rule(full=st.booleans())
    def fill(self, full: bool) -> None:
        self.notes.full = full

    @precondition(lambda self: not self.over())
    @rule(number=st.integers(1, LAMPS), awake=st.booleans())
    def wake(self, number: int, awake: bool) -> None:
        if awake:
            self.radio.wakes(name_of(number))
        else:
            self.radio.sleeps(name_of(number))

    @precondition(
        lambda self: not self.over() and self.newcomers and not self.notes.held and not self.radio.down
    )
    @rule()
    def join(self) -> None:
        """A device is let in; no admission begins while it is held."""
        lamp = self.radio.joins(self.newcomers.pop())
        if self.runner is not None:
            self.runner.joined(lamp.identity, "New")

    @precondition(lambda self: not self.over())
    @rule(number=st.integers(1, LAMPS))
    def put_out(self, number: int) -> None:
        if self.runner is not None:
            self.runner.put_out(name_of(number))

    @precondition(lambda self: not self.over() and len(self.notes.pages) > 1)
    @rule(data=st.data())
    def restore(self, data: st.DataObject) -> None:
        """The program is killed, and its store is what it was some time ago."""
        self.end_task()
        if self.over():
            return
        self.notes.forget_from(data.draw(st.integers(1, len(self.notes.pages) - 1)))
        self.stale = True
        self.notes.held = False
        self.start()

    # What must hold

    @invariant()
    def the_key_on_the_air_is_of_the_chain(self) -> None:
        if hasattr(self, "radio"):
            assert self.radio.key in self.chain

    def end_task(self) -> None:
        if self.task is None:
            return
        task, self.task = self.task, None
        task.cancel()
        self.loop.run_until_complete(asyncio.gather(task, return_exceptions=True))

    def teardown(self) -> None:
        try:
            if hasattr(self, "radio"):
                self.finish()
        finally:
            self.end_task()
            self.loop.close()

    def finish(self) -> None:
        """All that failed works again: it ends."""
        self.radio.down = self.notes.full = False
        if self.task is not None:
            waking = self.loop.create_task(self.keep_waking())
            self.loop.run_until_complete(asyncio.wait([self.task], timeout=24 * 3600))
            waking.cancel()
            self.loop.run_until_complete(asyncio.gather(waking, return_exceptions=True))
            assert self.task.done()
        if self.runner is not None and self.runner.stopped is not None:
            self.look_at_stop(self.runner.stopped)
        else:
            assert self.notes.end is not None
            self.look_at_end(self.notes.end)

    async def keep_waking(self) -> None:
        while True:
            await asyncio.sleep(30)
            for device in list(self.radio.lamps):
                self.radio.wakes(device)
            await asyncio.sleep(1)
            for device in list(self.radio.lamps):
                self.radio.sleeps(device)

    def look_at_stop(self, stopped: RotationStopped) -> None:
        raise AssertionError(stopped)

    def look_at_end(self, end: RotationProgress) -> None:
        final = self.chain[-1] if end.outcome is Outcome.ROTATED else self.chain[0]
        assert self.radio.key == final
        if end.outcome is Outcome.ROTATED:
            assert self.radio.followed == final
        for device, lamp in self.radio.lamps.items():
            delivery = end.deliveries.get(device)
            reachable = lamp.power and lamp.holds(final)
            if delivery is Delivery.CONFIRMED:
                assert reachable, device
            if device in self.out:
                assert delivery is Delivery.LEFT_OUT
                assert not lamp.holds(final) or end.outcome is Outcome.ABANDONED
            if end.outcome is Outcome.ROTATED and not reachable and not self.stale:
                assert delivery in {Delivery.MISSED, Delivery.LEFT_OUT}, (device, delivery)
        recording = self.radio.air.opened_by({self.chain[0]}, self.out)
        if self.out and end.way is Way.UNICAST and end.outcome is Outcome.ROTATED:
            assert final not in recording


TestCrashes: Any = Crashes.TestCase
TestCrashes.settings = settings(max_examples=60, stateful_step_count=25, deadline=None)

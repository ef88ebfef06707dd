"""Simulated time, and the medium that everything goes over."""

from __future__ import annotations

import asyncio
import math
from dataclasses import dataclass, field

import pytest

from hubsec_emulated.air import Air, Transmission, air_time
from hubsec_emulated.clock import Clock, Timeline, VirtualClock
from hubsec_emulated.errors import EmulationError
from hubsec_emulated.wire.mac import MacFrame, MacType


@dataclass(eq=False)
class Ear:
    name: str
    clock: Timeline
    channel: int = 15
    listening: bool = True
    heard: list[tuple[float, bytes]] = field(default_factory=list)

    def hear(self, transmission: Transmission, lqi: int, rssi: int) -> None:
        self.heard.append((self.clock.now(), transmission.psdu))


def psdu(sequence: int, *, ack: bool = False) -> bytes:
    return MacFrame(
        MacType.DATA, sequence, dst_pan=1, dst=2, src_pan=1, src=3, ack_request=ack, payload=b"x"
    ).encode()


def ears(air: Air, *names: str) -> list[Ear]:
    made = [Ear(name, air.clock) for name in names]
    for ear in made:
        air.attach(ear)
    return made


def test_timers_run_in_order_at_their_exact_time() -> None:
    clock = VirtualClock()
    ran: list[tuple[str, float]] = []

    def note(name: str) -> None:
        ran.append((name, clock.now()))
        if name == "b":
            clock.call_later(0.5, note, "d")
            clock.call_later(-1, note, "c")

    clock.call_later(1.0, note, "b")
    clock.call_later(0.25, note, "a")
    clock.call_later(0.5, note, "cancelled").cancel()
    clock.call_later(9.0, note, "late")
    clock.advance(2.0)
    assert ran == [("a", 0.25), ("b", 1.0), ("c", 1.0), ("d", 1.5)]
    assert clock.now() == 2.0


def test_a_virtual_clock_runs_until_something_is_true() -> None:
    clock = VirtualClock()
    done: list[int] = []
    clock.call_later(5, done.append, 1)
    assert not clock.run_until(lambda: done, 4)
    assert clock.now() == 4
    assert clock.run_until(lambda: done, 4)
    assert clock.now() == 5


async def test_a_clock_follows_the_loop_by_its_scale() -> None:
    clock = Clock(scale=100)
    times: list[float] = []
    clock.call_later(1.0, lambda: times.append(clock.now()))
    clock.call_later(0.5, lambda: times.append(clock.now()))
    start = asyncio.get_running_loop().time()
    await clock.sleep(2.0)
    assert asyncio.get_running_loop().time() - start < 1.0
    assert times == sorted(times)
    assert times == pytest.approx([0.5, 1.0], abs=0.2)
    assert await clock.wait_until(lambda: True, 1)
    assert not await clock.wait_until(lambda: False, 1)
    clock.close()


async def test_a_slow_machine_delays_time_and_reorders_nothing() -> None:
    import time

    clock = Clock(scale=1000)
    ran: list[tuple[int, float]] = []
    first = clock.call_later(1, lambda: None).due
    due = [
        clock.call_later(1 + index, lambda number=index: ran.append((number, clock.now()))).due
        for index in range(200)
    ]
    time.sleep(0.05)  # noqa: ASYNC251 - the machine is busy with something else
    assert clock.now() == first, "never past a timer that is still due"
    async with asyncio.timeout(20):
        while len(ran) < len(due):  # noqa: ASYNC110 - a clock is what is under test
            await asyncio.sleep(0.05)
    assert ran == list(enumerate(due)), "each at exactly its own time"
    clock.close()


async def test_after_a_stall_time_does_not_jump() -> None:
    import time

    clock = Clock(scale=100)
    ticks: list[float] = []

    def tick() -> None:
        ticks.append(clock.now())
        clock.call_later(1, tick)

    tick()
    await asyncio.sleep(0.02)
    before = clock.now()
    time.sleep(1.0)  # noqa: ASYNC251 - the machine stands still
    await asyncio.sleep(0.001)
    assert clock.now() - before < 60, "not 100"
    assert ticks == sorted(ticks)
    clock.close()


async def test_a_timer_that_fails_does_not_stop_the_others() -> None:
    clock = Clock(scale=1000)
    ran: list[int] = []
    failures: list[BaseException | None] = []
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(lambda _loop, context: failures.append(context.get("exception")))
    clock.call_later(1, lambda: 1 // 0)
    clock.call_later(2, ran.append, 1)
    await clock.wait_until(lambda: ran, 100)
    loop.set_exception_handler(None)
    assert isinstance(failures[0], ZeroDivisionError)
    assert ran == [1]
    clock.close()


@pytest.mark.parametrize("scale", [0, -1, math.inf, math.nan])
async def test_a_scale_that_makes_no_sense_is_refused(scale: float) -> None:
    with pytest.raises(EmulationError):
        Clock(scale=scale)


def test_frames_take_their_time_one_after_the_other() -> None:
    clock = VirtualClock()
    air = Air(clock)
    one, two, three = ears(air, "one", "two", "three")
    air.transmit(one, psdu(1))
    air.transmit(two, psdu(2))
    clock.advance(1)
    length = air_time(len(psdu(1)))
    assert [raw for _, raw in three.heard] == [psdu(1), psdu(2)]
    assert three.heard[0][0] == pytest.approx(length)
    assert three.heard[1][0] > 2 * length
    assert [raw for _, raw in one.heard] == [psdu(2)], "nobody hears itself"


def test_an_ack_comes_before_whatever_waits() -> None:
    clock = VirtualClock()
    air = Air(clock)
    one, two, three = ears(air, "one", "two", "three")
    ack = MacFrame(MacType.ACK, 1).encode()
    two.hear = lambda transmission, lqi, rssi: (  # type: ignore[method-assign]
        air.transmit(two, ack) if transmission.psdu == psdu(1, ack=True) else None
    )
    air.transmit(one, psdu(1, ack=True))
    air.transmit(one, psdu(2))
    clock.advance(1)
    assert [raw for _, raw in three.heard] == [psdu(1, ack=True), ack, psdu(2)]


def test_who_hears_whom() -> None:
    clock = VirtualClock()
    air = Air(clock)
    one, two, three = ears(air, "one", "two", "three")
    air.cut(one, two)
    air.transmit(one, psdu(1))
    clock.advance(1)
    assert (len(two.heard), len(three.heard)) == (0, 1)
    air.heal(one, two)
    air.limit(three, [two])
    air.transmit(one, psdu(2))
    clock.advance(1)
    assert (len(two.heard), len(three.heard)) == (1, 1)
    air.limit(three, None)
    three.channel = 20
    two.listening = False
    air.transmit(one, psdu(3))
    clock.advance(1)
    assert (len(two.heard), len(three.heard)) == (1, 1)
    air.detach(two)
    air.detach(two)
    assert air.transmissions == 3


def test_loss_and_duplicates_follow_the_seed() -> None:
    def run(seed: int) -> list[bytes]:
        clock = VirtualClock()
        air = Air(clock, seed=seed, loss=0.5, duplication=0.3, delay=0.01)
        one, two = ears(air, "one", "two")
        for sequence in range(100):
            air.transmit(one, psdu(sequence))
        clock.advance(10)
        return [raw for _, raw in two.heard]

    assert run(1) == run(1) != run(2)
    assert 30 < len(set(run(1))) < 70
    assert len(run(1)) > len(set(run(1)))


def test_taps_hear_everything_until_they_stop() -> None:
    clock = VirtualClock()
    air = Air(clock, loss=1.0)
    one, two = ears(air, "one", "two")
    tapped: list[Transmission] = []
    stop = air.tap(tapped.append)
    air.transmit(one, psdu(1))
    air.transmit(one, b"no frame")
    clock.advance(1)
    stop()
    stop()
    air.transmit(one, psdu(2))
    clock.advance(1)
    assert [(sent.sender, sent.psdu) for sent in tapped] == [("one", psdu(1)), ("one", b"no frame")]
    assert tapped[1].frame is None
    assert [sent.number for sent in tapped] == [1, 2]
    assert two.heard == []


def test_what_no_air_can_be_is_refused() -> None:
    for options in ({"loss": 2}, {"duplication": -1}, {"delay": -0.1}):
        with pytest.raises(EmulationError):
            Air(VirtualClock(), **options)
    air = Air(VirtualClock())
    (one,) = ears(air, "one")
    with pytest.raises(EmulationError):
        air.transmit(one, bytes(128))

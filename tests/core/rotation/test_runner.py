"""Rotations from their start to their end, on a network in memory."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import pytest

from hubsec.errors import Refused, RotationStopped
from hubsec.identity import Identity
from hubsec.rotation.machine import FADE, Pace
from hubsec.rotation.runner import Runner
from hubsec.rotation.shapes import Delivery, Outcome, RotationProgress, Step, Way
from hubsec.secret import Secret
from tests.core.rotation.network import FakeKeys, Lamp, Notes, SoonLoop, name_of, runner_of, staged

ONE, TWO, THREE, SLEEPER = (name_of(number) for number in (1, 2, 3, 9))


class Scene:
    """A network with two lamps, one that may be left out and one that sleeps."""

    def __init__(self, way: Way, **how: Any) -> None:
        loss = how.pop("loss", 0.0)
        self.radio = FakeKeys([Lamp(1), Lamp(2), Lamp(3), Lamp(9, sleepy=True)], loss=loss)
        self.notes = Notes(staged(self.radio, way, **how))
        self.keys = [key.reveal() for key in self.notes.journal.keys]
        self.old = self.radio.key
        self.runner: Runner | None = None

    async def run(self, *beside: Callable[[], Awaitable[object]]) -> RotationProgress:
        """Until it is over, with what happens beside it."""
        runner = self.runner = runner_of(self.notes, self.radio)
        others = [asyncio.ensure_future(one()) for one in beside]
        async with asyncio.timeout(7 * 24 * 3600):
            await runner.run()
        for other in others:
            other.cancel()
        await asyncio.gather(*others, return_exceptions=True)
        return await runner.ended()

    async def wake(self, *, every: float = 60.0, device: Identity = SLEEPER) -> None:
        """The sleeper wakes now and then, for a second."""
        while True:
            await asyncio.sleep(every)
            self.radio.wakes(device)
            await asyncio.sleep(1)
            self.radio.sleeps(device)

    def reachable(self) -> set[Identity]:
        return {
            lamp.identity for lamp in self.radio.lamps.values() if lamp.power and lamp.holds(self.radio.key)
        }


def soon[T](work: Awaitable[T]) -> T:
    """What comes of `work`, in no time."""

    async def run() -> T:
        return await work

    with asyncio.Runner(loop_factory=SoonLoop) as runner:
        return runner.run(run())


@pytest.mark.parametrize("way", list(Way))
def test_everybody_gets_the_key(way: Way) -> None:
    scene = Scene(way)
    ended = soon(scene.run(scene.wake))
    assert ended.outcome is Outcome.ROTATED
    assert set(ended.deliveries.values()) == {Delivery.CONFIRMED}
    assert scene.radio.key == scene.keys[-1] == scene.radio.followed
    assert ended.sequence == (254 + len(scene.keys)) % 256 == scene.radio.sequence
    assert scene.reachable() == set(scene.radio.lamps)
    assert not scene.notes.held


def test_given_up_just_when_admissions_are_to_end_it_lets_them_begin(monkeypatch: pytest.MonkeyPatch) -> None:
    scene = Scene(Way.BROADCAST)
    scene.radio.lamps[SLEEPER].awake = True
    begin = Runner._begin

    def and_give_up(self: Runner, *what: Any) -> None:
        begin(self, *what)
        if what[1].__name__ == "_hold":
            self.abandon("Enough.")

    monkeypatch.setattr(Runner, "_begin", and_give_up)
    assert soon(scene.run()).outcome is Outcome.ABANDONED
    assert not scene.notes.held


def test_a_broadcast_waits_until_it_has_faded() -> None:
    scene = Scene(Way.BROADCAST)
    at: dict[str, float] = {}
    scene.radio.check = lambda what, _key: at.setdefault(what, asyncio.get_running_loop().time()) and None
    soon(scene.run(scene.wake))
    assert at["switch"] - at["broadcast"] >= FADE


@pytest.mark.parametrize("way", list(Way))
def test_who_misses_a_broadcast_is_given_the_key_by_itself(way: Way, monkeypatch: pytest.MonkeyPatch) -> None:
    """A router relays a broadcast once, and a device may have but one router in reach."""
    scene = Scene(way)
    heard = scene.radio.broadcast_next_key

    async def unheard_by_one(key: Secret) -> None:
        scene.radio.lamps[ONE].awake = False
        await heard(key)
        scene.radio.lamps[ONE].awake = True

    monkeypatch.setattr(scene.radio, "broadcast_next_key", unheard_by_one)
    ended = soon(scene.run(scene.wake))
    assert not ended.stragglers
    assert scene.reachable() == set(scene.radio.lamps)


def test_who_was_told_with_everybody_is_tried_no_more_than_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Or whoever went off meanwhile would keep the old key alive."""
    scene = Scene(Way.BROADCAST)
    scene.radio.lamps[SLEEPER].awake = True
    send, tried = scene.radio.send_next_key, list[Identity]()

    async def unanswered(device: Identity, key: Secret) -> bool:
        tried.append(device)
        return await send(device, key) and device == SLEEPER

    monkeypatch.setattr(scene.radio, "send_next_key", unanswered)
    at: dict[str, float] = {}
    scene.radio.check = lambda what, _key: at.setdefault(what, asyncio.get_running_loop().time()) and None
    soon(scene.run())
    assert sorted(tried) == sorted(scene.radio.lamps)
    assert at["switch"] - at["broadcast"] < 2 * FADE


# What an attacker ends up with


@pytest.mark.parametrize(
    ("way", "link_keys", "opens"),
    [
        (Way.BROADCAST, set(), True),
        (Way.UNICAST, set(), False),
        (Way.UNICAST, {THREE}, False),
        (Way.UNICAST, {ONE}, True),
    ],
    ids=["broadcast", "unicast", "unicast and its own link key", "unicast and an overheard link key"],
)
def test_who_was_left_out_opens_what(way: Way, link_keys: set[Identity], *, opens: bool) -> None:
    scene = Scene(way, left_out=[THREE])
    ended = soon(scene.run(scene.wake))
    assert ended.deliveries[THREE] is Delivery.LEFT_OUT
    assert (scene.radio.key in scene.radio.air.opened_by({scene.old}, link_keys)) is opens


def test_after_a_unicast_no_lamp_takes_a_frame_under_the_old_key() -> None:
    scene = Scene(Way.UNICAST, left_out=[THREE])
    soon(scene.run(scene.wake))
    assert [lamp.identity for lamp in scene.radio.lamps.values() if lamp.holds(scene.old)] == [THREE]


def test_without_the_key_that_follows_they_would() -> None:
    scene = Scene(Way.UNICAST, left_out=[THREE])
    scene.radio.check = lambda what, _key: (
        taken.update({lamp.identity for lamp in scene.radio.lamps.values() if lamp.holds(scene.old)})
        if what == "broadcast"
        else None
    )
    taken: set[Identity] = set()
    soon(scene.run(scene.wake))
    assert taken == {ONE, TWO, THREE, SLEEPER}


# Stragglers


@pytest.mark.parametrize("way", list(Way))
def test_who_never_wakes_is_a_straggler_by_name(way: Way) -> None:
    scene = Scene(way, patience=3600)
    ended = soon(scene.run())
    assert ended.outcome is Outcome.ROTATED
    assert ended.stragglers == (SLEEPER,)
    assert ended.ended_at is not None
    assert ended.ended_at - ended.started_at < 4 * 3600
    assert scene.reachable() == {ONE, TWO, THREE}


def test_who_is_lost_beforehand_is_tried_and_not_waited_for() -> None:
    scene = Scene(Way.UNICAST, lost=[TWO], patience=24 * 3600)
    scene.radio.lamps[TWO].power = False
    ended = soon(scene.run(lambda: scene.wake(every=5)))
    assert ended.stragglers == (TWO,)
    assert ended.ended_at is not None
    assert ended.ended_at - ended.started_at < 3600


def test_a_unicast_that_reaches_nobody_is_given_up() -> None:
    scene = Scene(Way.UNICAST, patience=600)
    for lamp in scene.radio.lamps.values():
        lamp.power = False
    ended = soon(scene.run())
    assert ended.outcome is Outcome.ABANDONED
    assert scene.radio.key == scene.old
    assert "No device" in scene.notes.why


def test_who_had_lost_only_its_answer_is_confirmed_in_the_end() -> None:
    scene = Scene(Way.UNICAST, loss=0.3, patience=6 * 3600)
    ended = soon(scene.run(scene.wake))
    for device, delivery in ended.deliveries.items():
        assert (delivery is Delivery.CONFIRMED) == (device in scene.reachable()), device


# Who comes, who goes


@pytest.mark.parametrize("way", list(Way))
@pytest.mark.parametrize("after", [0.01, 3.0, 12.0])
def test_who_joins_meanwhile_gets_the_next_key_too(way: Way, after: float) -> None:
    scene = Scene(way)

    async def join() -> None:
        await asyncio.sleep(after)
        lamp = scene.radio.joins(4)
        assert scene.runner is not None
        scene.runner.joined(lamp.identity, "New lamp")

    ended = soon(scene.run(scene.wake, join))
    assert ended.deliveries[name_of(4)] is Delivery.CONFIRMED
    assert name_of(4) in scene.reachable()


def test_nobody_is_admitted_while_it_switches() -> None:
    scene = Scene(Way.BROADCAST)
    scene.notes.admitting = True
    held: list[bool] = []
    scene.radio.check = lambda what, _key: held.append(scene.notes.held) if what == "switch" else None

    async def admit() -> None:
        await asyncio.sleep(600)
        assert scene.notes.journal.step is Step.DELIVERING
        scene.notes.admitting = False
        scene.notes.admitted.set()

    soon(scene.run(scene.wake, admit))
    assert held == [True]
    assert not scene.notes.held


@pytest.mark.parametrize(
    ("after", "delivery"), [(0, Delivery.LEFT_OUT), (1, Delivery.MISSED)], ids=["before", "while it is sent"]
)
def test_who_is_put_out_meanwhile_is_sent_no_more(after: float, delivery: Delivery) -> None:
    scene = Scene(Way.UNICAST)

    async def put_out() -> None:
        await asyncio.sleep(after)
        assert scene.runner is not None
        scene.runner.put_out(SLEEPER)

    async def wake_late() -> None:
        await asyncio.sleep(30)
        await scene.wake()

    ended = soon(scene.run(put_out, wake_late))
    assert ended.deliveries[SLEEPER] is delivery
    assert SLEEPER not in scene.reachable()


@pytest.mark.parametrize("way", list(Way))
def test_who_was_put_out_while_nothing_could_be_written_is_sent_nothing_after_that(way: Way) -> None:
    scene = Scene(way)
    scene.notes.strangers.add(SLEEPER)
    ended = soon(scene.run(lambda: scene.wake(every=5.0)))
    assert ended.deliveries[SLEEPER] is (Delivery.LEFT_OUT if way is Way.UNICAST else Delivery.MISSED)
    assert SLEEPER not in {under for _, under in scene.radio.air.sent}
    assert ended.outcome is Outcome.ROTATED
    assert {ONE, TWO, THREE} <= scene.reachable()


def test_who_is_put_out_with_the_first_key_is_not_sent_the_second_by_itself() -> None:
    scene = Scene(Way.UNICAST)

    async def put_out() -> None:
        await scene.notes.reached(Step.SWITCHING)
        assert scene.notes.journal.targets[SLEEPER].delivery is Delivery.SENT
        assert scene.runner is not None
        scene.runner.put_out(SLEEPER)

    ended = soon(scene.run(lambda: scene.wake(every=5.0), put_out))
    assert ended.deliveries[SLEEPER] is Delivery.MISSED
    assert {key for key, under in scene.radio.air.sent if under == SLEEPER} == {scene.keys[0]}


def test_nobody_is_admitted_from_the_order_to_switch_until_the_key_is_known() -> None:
    """The order is out, and the program dies before the stick has followed it; somebody who sleeps has no key yet."""
    scene = Scene(Way.UNICAST, patience=30.0)
    released: list[Step] = []
    release = scene.notes.release

    def note() -> None:
        released.append(scene.notes.journal.step)
        release()

    scene.notes.release = note  # type: ignore[method-assign]

    async def crash() -> None:
        task = asyncio.ensure_future(scene.run())
        await scene.notes.reached(Step.SWITCHING)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    soon(crash())
    assert scene.notes.journal.step is Step.SWITCHING
    assert scene.notes.journal.targets[SLEEPER].delivery is Delivery.PENDING
    assert scene.radio.key == scene.old
    released.clear()
    ended = soon(scene.run())
    assert ended.outcome is Outcome.ROTATED
    assert released
    assert Step.SWITCHING not in released


def test_what_may_have_been_switched_is_not_given_up() -> None:
    """One device alone has the key, the order is out, and the stick has lost what it had staged."""
    scene = Scene(Way.UNICAST, patience=30.0, left_out=[TWO, THREE, SLEEPER])

    async def crash() -> None:
        task = asyncio.ensure_future(scene.run())
        await scene.notes.reached(Step.SWITCHING)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    soon(crash())
    scene.radio.lamps[ONE].hears(scene.keys[0])
    scene.radio.lamps[ONE].power = False
    scene.radio.reset(forgets=True)
    ended = soon(scene.run())
    assert ended.outcome is Outcome.ROTATED
    assert scene.radio.key == scene.keys[1]
    assert ONE in ended.stragglers


# Giving up, and stopping


def test_it_is_abandoned_before_the_switch_and_not_after() -> None:
    scene = Scene(Way.UNICAST)

    async def give_up() -> None:
        await asyncio.sleep(5)
        assert scene.runner is not None
        scene.runner.abandon("Not today.")

    ended = soon(scene.run(give_up))
    assert ended.outcome is Outcome.ABANDONED
    assert scene.radio.key == scene.old
    assert scene.notes.why == "Not today."

    late = Scene(Way.BROADCAST)

    async def too_late() -> None:
        await late.notes.reached(Step.CONFIRMING)
        assert late.runner is not None
        with pytest.raises(Refused, match="only go on"):
            late.runner.abandon("Not today.")

    assert soon(late.run(late.wake, too_late)).outcome is Outcome.ROTATED


def test_a_radio_that_is_gone_is_waited_for_and_can_be_abandoned() -> None:
    scene = Scene(Way.UNICAST)
    scene.radio.down = True

    async def give_up() -> None:
        await asyncio.sleep(60)
        assert scene.runner is not None
        assert "not there" in scene.runner.progress.trouble
        scene.runner.abandon("Not today.")
        scene.radio.down = False

    assert soon(scene.run(give_up)).outcome is Outcome.ABANDONED


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (lambda radio: radio.random.randbytes(16), "neither the old nor a new one"),
        (lambda radio: None, "under a sequence number"),
    ],
    ids=["another key", "another sequence number"],
)
def test_a_radio_with_another_key_stops_it(spoil: Callable[[FakeKeys], bytes | None], says: str) -> None:
    scene = Scene(Way.UNICAST)
    key = spoil(scene.radio)
    if key is None:
        scene.radio.sequence = 7
    else:
        scene.radio.key = key
    with pytest.raises(RotationStopped, match=says) as stopped:
        soon(scene.run())
    assert "abandon" in stopped.value.repair
    assert scene.radio.air.sent == []
    ((reason, repair),) = scene.notes.stops
    assert (reason, repair) == (stopped.value.reason, stopped.value.repair)


def test_a_stick_with_the_key_from_before_a_confirmed_switch_stops_it() -> None:
    scene = Scene(Way.UNICAST)
    pages: Sequence[object] = scene.notes.pages

    async def replace() -> None:
        await scene.notes.reached(Step.CONFIRMING)
        scene.radio.key, scene.radio.sequence, scene.radio.down = scene.old, 254, True
        await asyncio.sleep(1)
        scene.radio.down = False

    with pytest.raises(RotationStopped, match="before a switch"):
        soon(scene.run(replace))
    assert len(pages) > 4


def test_a_pace_that_is_scaled_waits_less_and_tries_as_often() -> None:
    pace, fast = Pace(), Pace().scaled(10)
    assert fast.fade == pace.fade / 10
    assert (fast.asks, fast.at_once) == (pace.asks, pace.at_once)

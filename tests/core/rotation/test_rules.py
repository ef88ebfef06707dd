"""The machine's rules, each with a machine that breaks it: what looks whether a rule is kept has to find that out.

The numbers are those of :mod:`hubsec.rotation.machine`. The scene is the same for all: a unicast that leaves one lamp
out, is killed and started anew at each of its steps, with a sleeper that wakes now and then, a lamp without power, and
somebody who would abandon it when it is too late.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from hubsec.errors import Refused, RotationStopped
from hubsec.rotation.journal import Journal
from hubsec.rotation.machine import FADE, Acts, Machine, Pace, Release, Write, _Phase
from hubsec.rotation.radio import KeyState
from hubsec.rotation.runner import Runner
from hubsec.rotation.shapes import Delivery, Outcome, RotationProgress, Step, Way
from hubsec.secret import Secret
from tests.core.rotation.network import FakeKeys, Lamp, Notes, SoonLoop, name_of, runner_of, staged

ONE, TWO, DEAD, OUT, SLEEPER = (name_of(number) for number in (1, 2, 3, 4, 9))
RULES = range(1, 12)
BLINK = 0.15
"""Seconds that the sleeper is awake: long enough to be told a key, and not for all that follows."""
LONG = 4 * 3600.0
"""Seconds that no step takes, of a time in which nothing is waited for."""


class Watched:
    """The scene, and which rules it saw broken."""

    def __init__(self, *, foreign: bool = False) -> None:
        lamps = [Lamp(1), Lamp(2), Lamp(3, power=False), Lamp(4), Lamp(9, sleepy=True)]
        self.radio = FakeKeys(lamps)
        self.notes = Notes(staged(self.radio, Way.UNICAST, left_out=[OUT], lost=[DEAD], patience=1800))
        self.pace = Pace()
        self.old = self.radio.key
        self.foreign = foreign
        self.broken: set[int] = set()
        self.faded_from: float | None = None
        self.radio.check = self.see
        self.runner: Runner | None = None
        self.enough = asyncio.Event()

    def see(self, what: str, key: bytes) -> None:
        """Something goes out."""
        journal, now = self.notes.journal, asyncio.get_running_loop().time()
        if key not in {one.reveal() for one in self.notes.first.keys}:
            self.broken.add(2)
        if self.foreign:
            self.broken.add(3)
            self.enough.set()
        if what == "broadcast":
            self.faded_from = now
        elif what == "switch":
            if self.faded_from is not None and now - self.faded_from < FADE:
                self.broken.add(4)
            if not self.notes.held:
                self.broken.add(7)
            if journal.step is not Step.SWITCHING:
                self.broken.add(8)
            self.too_late()

    def too_late(self) -> None:
        """Somebody gives it up when the order to switch goes out."""
        assert self.runner is not None
        try:
            self.runner.abandon("Not today.")
        except Refused:
            return
        self.broken.add(11)

    async def wake(self) -> None:
        while True:
            await asyncio.sleep(FADE / 3)
            self.radio.wakes(SLEEPER)
            await asyncio.sleep(BLINK)
            self.radio.sleeps(SLEEPER)

    async def run(self) -> None:
        """Until its end; at each new step it is killed, and started anew."""
        if self.foreign:
            self.radio.key = bytes(16)
        waking = asyncio.ensure_future(self.wake())
        try:
            for step in (Step.DELIVERING, Step.SWITCHING, Step.SWITCHED, Step.CONFIRMING):
                await self.until(step)
                if self.enough.is_set():
                    return
            await self.until(Step.ENDED)
        finally:
            waking.cancel()
        self.look()

    async def until(self, step: Step) -> None:
        self.runner = runner_of(self.notes, self.radio, self.pace)
        running = asyncio.ensure_future(self.runner.run())
        reaching = asyncio.ensure_future(self.notes.reached(step))
        enough = asyncio.ensure_future(self.enough.wait())
        tasks = (running, reaching, enough)
        await asyncio.wait(tasks, timeout=LONG, return_when=asyncio.FIRST_COMPLETED)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self.notes.held = False

    def look(self) -> None:
        """How it ended."""
        assert self.runner is not None
        if self.runner.stopped is not None:
            if not self.foreign:
                self.broken.add(1)
            return
        if (end := self.notes.end) is None:
            return
        if any(under == OUT for _, under in self.radio.air.sent):
            self.broken.add(5)
        if not self.radio.lamps[SLEEPER].holds(self.radio.key):
            self.broken.add(6)
        if any(self.radio.lamps[one].holds(self.old) for one in (ONE, TWO)):
            self.broken.add(9)
        if end.deliveries[DEAD] is not Delivery.MISSED:
            self.broken.add(10)
        if end.outcome is not Outcome.ROTATED or self.radio.key == self.old:
            self.broken.add(11)


def broken(scene: Watched) -> set[int]:
    """The rules that were seen broken."""
    with asyncio.Runner(loop_factory=SoonLoop) as runner:
        runner.run(scene.run())
    return scene.broken


@pytest.mark.parametrize("foreign", [False, True])
def test_every_rule_is_kept(*, foreign: bool) -> None:
    scene = Watched(foreign=foreign)
    assert broken(scene) == set()
    if foreign:
        assert scene.runner is not None
        assert isinstance(scene.runner.stopped, RotationStopped)
    else:
        end = scene.notes.end
        assert isinstance(end, RotationProgress)
        assert end.stragglers == (DEAD,)


# Each breaks one rule.

type _Spoil = Callable[[pytest.MonkeyPatch, Watched], None]


def skips_a_sequence_number(patch: pytest.MonkeyPatch, scene: Watched) -> None:
    patch.setattr(FakeKeys, "next_sequence", property(lambda radio: (radio.sequence + 2) % 256))
    # So that it is taken for staged all the same.
    state = FakeKeys.key_state

    async def key_state(radio: FakeKeys) -> KeyState:
        read = await state(radio)
        following = None if read.next_sequence is None else (read.sequence + 1) % 256
        return msgspec.structs.replace(read, next_sequence=following)

    patch.setattr(FakeKeys, "key_state", key_state)
    del scene


def draws_fresh_keys(patch: pytest.MonkeyPatch, scene: Watched) -> None:
    start = Machine.__init__

    def fresh(machine: Machine, journal: Journal, **how: Any) -> None:
        keys = tuple(Secret(scene.radio.random.randbytes(16)) for _ in journal.keys)
        redrawn = journal.step is Step.DELIVERING and journal.round == 1
        start(machine, msgspec.structs.replace(journal, keys=keys) if redrawn else journal, **how)

    patch.setattr(Machine, "__init__", fresh)


def takes_any_key(patch: pytest.MonkeyPatch, scene: Watched) -> None:
    del scene
    patch.setattr(
        Machine, "_disagree", lambda machine, _place: machine._go_on(asyncio.get_running_loop().time())
    )


def does_not_wait(patch: pytest.MonkeyPatch, scene: Watched) -> None:
    del patch
    scene.pace = Pace(fade=1.0)


def sends_to_who_is_left_out(patch: pytest.MonkeyPatch, scene: Watched) -> None:
    del scene
    targets = Machine._targets

    def everybody(machine: Machine, *which: Delivery) -> Any:
        return targets(machine, *which, *([Delivery.LEFT_OUT] if Delivery.PENDING in which else []))

    patch.setattr(Machine, "_targets", everybody)


def takes_everybody_for_awake(patch: pytest.MonkeyPatch, scene: Watched) -> None:
    del patch
    journal = scene.notes.journal
    targets = {
        who: msgspec.structs.replace(one, alone=False, sleepy=False) for who, one in journal.targets.items()
    }
    scene.notes.begin_with(msgspec.structs.replace(journal, targets=targets))


def changed_order(change: Callable[[Acts], Acts]) -> _Spoil:
    def spoil(patch: pytest.MonkeyPatch, scene: Watched) -> None:
        del scene
        order = Machine._order_switch
        patch.setattr(
            Machine, "_order_switch", lambda machine, state, now: change(order(machine, state, now))
        )

    return spoil


def has_one_round(patch: pytest.MonkeyPatch, scene: Watched) -> None:
    journal = scene.notes.journal
    patch.setattr("hubsec.rotation.journal.rounds_of", lambda _way: 1)
    scene.notes.begin_with(msgspec.structs.replace(journal, keys=journal.keys[:1]))


def believes_everybody(patch: pytest.MonkeyPatch, scene: Watched) -> None:
    del scene
    answered = Machine.answered

    def yes(machine: Machine, device: Any, now: float, *, yes: bool) -> Acts:
        return answered(machine, device, now, yes=yes or machine._phase is _Phase.CONFIRMING)

    patch.setattr(Machine, "answered", yes)


def gives_up_too_late(patch: pytest.MonkeyPatch, scene: Watched) -> None:
    del scene
    patch.setattr(Runner, "abandon", lambda _runner, _reason: None)


ROWS: dict[int, _Spoil] = {
    1: skips_a_sequence_number,
    2: draws_fresh_keys,
    3: takes_any_key,
    4: does_not_wait,
    5: sends_to_who_is_left_out,
    6: takes_everybody_for_awake,
    7: changed_order(lambda acts: (Release(), *acts)),
    8: changed_order(lambda acts: tuple(act for act in acts if not isinstance(act, Write))),
    9: has_one_round,
    10: believes_everybody,
    11: gives_up_too_late,
}


@pytest.mark.parametrize("number", RULES)
def test_a_machine_that_breaks_it_is_found_out(number: int, monkeypatch: pytest.MonkeyPatch) -> None:
    scene = Watched(foreign=number == 3)
    ROWS[number](monkeypatch, scene)
    assert number in broken(scene)

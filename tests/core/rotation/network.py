"""A Zigbee network in memory, as far as keys go: a radio, devices with two key slots each, and what is on the air.

Time is the event loop's, and :class:`SoonLoop` does not wait for it.
"""

from __future__ import annotations

import asyncio
import heapq
import random
from collections.abc import Callable, Sequence
from typing import Any

from hubsec.errors import RadioError, StoreError
from hubsec.identity import Identity
from hubsec.rotation.journal import Journal, LiveKey, Target, pack, rounds_of, unpack
from hubsec.rotation.machine import Pace
from hubsec.rotation.radio import KeyRoute, KeyState
from hubsec.rotation.runner import Runner
from hubsec.rotation.shapes import Delivery, RotationProgress, Step, Way
from hubsec.secret import Secret

AIR_SECONDS = 0.05
"""What a transfer takes here."""
KEEP_SECONDS = 7.68
"""How long a parent keeps a frame for a child that sleeps (macTransactionPersistenceTime in beacon intervals, R23)."""


class SoonLoop(asyncio.SelectorEventLoop):
    """An event loop in whose time nothing is waited for: when nobody can run, the next timer is due."""

    def __init__(self) -> None:
        super().__init__()
        self.moment = 1000.0
        self.turns = 0

    def time(self) -> float:
        return self.moment

    def _run_once(self) -> None:
        timers: list[Any] = self._scheduled  # type: ignore[attr-defined]
        while timers and timers[0].cancelled():
            heapq.heappop(timers)._scheduled = False
            self._timer_cancelled_count -= 1
        ready = self._ready  # type: ignore[attr-defined]
        if not ready:
            assert timers, "Everybody waits, and for nothing."
            self.moment = max(self.moment, timers[0].when())
        self.turns += 1
        super()._run_once()  # type: ignore[misc]


def name_of(number: int) -> Identity:
    return Identity(f"00:12:4b:00:00:00:00:{number:02x}")


class Lamp:
    """A device. `sleepy`: it hears only what comes while it is awake, or is kept for it by its parent until it wakes.
    `keys` are its two slots, the one that it uses first."""

    def __init__(self, number: int, *, sleepy: bool = False, power: bool = True) -> None:
        self.identity = name_of(number)
        self.sleepy = sleepy
        self.power = power
        self.awake = not sleepy
        self.keys: list[tuple[bytes, int]] = []

    def holds(self, key: bytes) -> bool:
        return any(one == key for one, _ in self.keys)

    def stage(self, key: bytes, sequence: int) -> None:
        """APS Transport-Key: the slot that is not in use is overwritten."""
        if not self.holds(key):
            self.keys = [self.keys[0], (key, sequence)]

    def hears(self, key: bytes) -> bool:
        """A frame under `key`: taken if it holds that; a newer key is used from then on."""
        if not self.power or not self.holds(key):
            return False
        if self.keys[0][0] != key:
            self.keys.reverse()
        return True


class Air:
    """What anybody can record: each key that went out, and under what."""

    def __init__(self) -> None:
        self.sent: list[tuple[bytes, bytes | Identity]] = []

    def opened_by(self, keys: set[bytes], link_keys: set[Identity] | None = None) -> set[bytes]:
        """Every network key that somebody ends up with who has those, and the link keys of these devices."""
        have, linked = set(keys), link_keys or set()
        while new := {key for key, under in self.sent if under in have or under in linked} - have:
            have |= new
        return have


class FakeKeys:
    """A :class:`hubsec.rotation.radio.KeyRadio`. `down`: it does nothing but raise. `check` is called before anything
    goes out, with what and which key."""

    air_seconds = AIR_SECONDS
    keep_seconds = KEEP_SECONDS

    def __init__(self, lamps: Sequence[Lamp], *, seed: int = 0, loss: float = 0.0) -> None:
        self.lamps = {lamp.identity: lamp for lamp in lamps}
        self.random = random.Random(seed)
        self.loss = loss
        self.down = False
        self.key = self.random.randbytes(16)
        self.sequence = 254
        self.staged: bytes | None = None
        self.air = Air()
        self.followed: bytes = self.key
        self.check: Callable[[str, bytes], None] = lambda _what, _key: None
        self.key_calls: list[str] = []
        self._callbacks: list[Callable[[Identity], None]] = []
        for lamp in lamps:
            lamp.keys = [(self.key, self.sequence)]

    async def _asked(self, what: str) -> None:
        self.key_calls.append(what)
        await asyncio.sleep(self.air_seconds)
        if self.down:
            raise RadioError("The stick is not there.")

    def _lost(self) -> bool:
        return self.random.random() < self.loss

    @property
    def next_sequence(self) -> int:
        return (self.sequence + 1) % 256

    # KeyRadio

    async def key_state(self) -> KeyState:
        await self._asked("key_state")
        return KeyState(
            key=Secret(self.key),
            sequence=self.sequence,
            next_sequence=None if self.staged is None else self.next_sequence,
        )

    async def key_routes(self) -> Sequence[KeyRoute]:
        await self._asked("key_routes")
        return [
            KeyRoute(
                device=lamp.identity,
                name=f"Lamp {lamp.identity[-2:]}",
                sleepy=lamp.sleepy,
                placed=True,
                own_link_key=None,
            )
            for lamp in self.lamps.values()
        ]

    async def broadcast_next_key(self, key: Secret) -> None:
        await self._asked("broadcast_next_key")
        self.check("broadcast", key.reveal())
        self.staged = key.reveal()
        self.air.sent.append((self.staged, self.key))
        for lamp in self.lamps.values():
            if lamp.awake and not self._lost() and lamp.hears(self.key):
                lamp.stage(self.staged, self.next_sequence)

    async def send_next_key(self, device: Identity, key: Secret) -> bool:
        await self._asked("send_next_key")
        self.check("send", key.reveal())
        self.staged = key.reveal()
        self.air.sent.append((self.staged, device))
        lamp, sequence = self.lamps[device], self.next_sequence
        if not await self._reaches(lamp) or self._lost() or not lamp.hears(self.key):
            return False
        if self.staged is not None:
            lamp.stage(key.reveal(), sequence)
        return not self._lost()

    async def switch_key(self) -> None:
        await self._asked("switch_key")
        if self.staged is None:
            raise RadioError("Nothing is staged.")
        self.check("switch", self.staged)
        self.key, self.sequence, self.staged = self.staged, self.next_sequence, None
        for lamp in self.lamps.values():
            if lamp.awake and not self._lost():
                lamp.hears(self.key)

    async def answers(self, device: Identity) -> bool:
        await self._asked("answers")
        lamp = self.lamps[device]
        return await self._reaches(lamp) and not self._lost() and lamp.hears(self.key)

    async def follow_key(self) -> None:
        await self._asked("follow_key")
        self.followed = self.key

    def heard(self, callback: Callable[[Identity], None]) -> Callable[[], None]:
        self._callbacks.append(callback)

        def stop() -> None:
            if callback in self._callbacks:
                self._callbacks.remove(callback)

        return stop

    # The world

    async def _reaches(self, lamp: Lamp) -> bool:
        """Whether it hears what is kept for it, now or in a moment."""
        if not lamp.awake:
            await asyncio.sleep(self.keep_seconds)
        return lamp.awake and lamp.power

    def wakes(self, device: Identity) -> None:
        """A sleepy device is awake now, and said something."""
        lamp = self.lamps[device]
        lamp.awake = True
        if lamp.power:
            for callback in list(self._callbacks):
                callback(device)

    def sleeps(self, device: Identity) -> None:
        self.lamps[device].awake = not self.lamps[device].sleepy

    def joins(self, number: int) -> Lamp:
        """A new device is let in: it gets the present key."""
        lamp = Lamp(number, sleepy=True)
        lamp.keys = [(self.key, self.sequence)]
        lamp.awake = True
        self.lamps[lamp.identity] = lamp
        return lamp

    def reset(self, *, forgets: bool) -> None:
        """The stick starts anew; `forgets`: what it had staged is gone."""
        if forgets:
            self.staged = None


class Notes:
    """:class:`hubsec.rotation.runner.Books`, in memory. `pages` are the journals that were durable, packed; none left:
    it has ended. `full`: nothing can be written."""

    def __init__(self, journal: Journal) -> None:
        self.pages = [pack(journal)]
        self.full = False
        self.strangers: set[Identity] = set()
        self.held = False
        self._awaited: dict[Step, asyncio.Event] = {}
        self.admitting = False
        self.admitted = asyncio.Event()
        self.told: list[RotationProgress] = []
        self.end: RotationProgress | None = None
        self.why = ""
        self.stops: list[tuple[str, str]] = []

    @property
    def first(self) -> Journal:
        """The one that it began with."""
        return unpack(self.pages[0], Journal)

    def begin_with(self, journal: Journal) -> None:
        """It begins with that one instead."""
        self.pages = [pack(journal)]

    def forget_from(self, page: int) -> None:
        """Only the first `page` of them are left."""
        del self.pages[page:]

    @property
    def journal(self) -> Journal:
        return unpack(self.pages[-1], Journal)

    async def reached(self, step: Step) -> None:
        """Return when that step is written down next."""
        await self._awaited.setdefault(step, asyncio.Event()).wait()

    def utc(self) -> float:
        return 1_700_000_000 + asyncio.get_running_loop().time()

    async def write(self, journal: Journal) -> None:
        await asyncio.sleep(0)
        if self.full:
            raise StoreError("The disk is full.")
        self.pages.append(pack(journal))
        if journal.step in self._awaited:
            self._awaited[journal.step].set()
        await asyncio.sleep(0)

    async def finish(self, journal: Journal, ended: RotationProgress, reason: str) -> None:
        await self.write(journal)
        self.end, self.why = ended, reason

    def belongs(self, device: Identity) -> bool:
        return device not in self.strangers

    async def put_out(self, journal: Journal) -> set[Identity]:
        return self.strangers & journal.targets.keys()

    async def hold(self) -> None:
        self.held = True
        if self.admitting:
            await self.admitted.wait()

    def release(self) -> None:
        self.held = False

    def moved(self, before: RotationProgress, after: RotationProgress) -> None:
        del before
        self.told.append(after)

    def stopped(self, reason: str, repair: str) -> None:
        self.stops.append((reason, repair))


PACE = Pace()


def staged(
    radio: FakeKeys,
    way: Way,
    *,
    left_out: Sequence[Identity] = (),
    lost: Sequence[Identity] = (),
    patience: float = 600.0,
    at: float = 1_700_001_000,
) -> Journal:
    """The first journal of a rotation of that network."""
    keys = tuple(Secret(radio.random.randbytes(16)) for _ in range(rounds_of(way)))
    return Journal(
        rotation="rotation-1",
        radio="radio",
        network_id="00124b00000000aa",
        way=way,
        step=Step.STAGED,
        round=1,
        old=LiveKey(key=Secret(radio.key), sequence=radio.sequence),
        keys=keys,
        targets={
            lamp.identity: Target(
                name=f"Lamp {lamp.identity[-2:]}",
                delivery=Delivery.LEFT_OUT if lamp.identity in left_out else Delivery.PENDING,
                sleepy=lamp.sleepy,
                alone=lamp.sleepy,
                waited=lamp.identity not in lost,
            )
            for lamp in radio.lamps.values()
        },
        started_at=at,
        deadline=at + patience,
        patience=patience,
        by="operator",
        reason="",
    )


def runner_of(notes: Notes, radio: FakeKeys, pace: Pace = PACE) -> Runner:
    """A runner that begins where the notes are."""
    return Runner(notes.journal, radio=radio, books=notes, pace=pace)

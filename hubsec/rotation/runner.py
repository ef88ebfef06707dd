"""Drives a rotation's machine on a radio: does what it says, in that order, and hands back what came of it.

Whatever fails, the radio or the store, ends the machine; a new one is made from the last journal that is durable. So a
crash of the program, a stick that is unplugged and a full disk go through the same code.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Collection, Coroutine
from typing import Any, Protocol, assert_never

from hubsec.errors import HubsecError, Refused, RotationStopped
from hubsec.identity import Identity
from hubsec.radio import answering
from hubsec.rotation.journal import Journal
from hubsec.rotation.machine import (
    Act,
    Acts,
    Ask,
    Broadcast,
    Finish,
    Follow,
    Hold,
    Machine,
    Pace,
    Pause,
    ReadKeys,
    Release,
    Send,
    Stop,
    Switch,
    Write,
)
from hubsec.rotation.radio import KeyRadio
from hubsec.rotation.shapes import RotationProgress, Step

_LOGGER = logging.getLogger(__name__)


class Books(Protocol):
    """What a runner needs of its hub. Writing raises :class:`~hubsec.errors.StoreError`."""

    def utc(self) -> float:
        """Seconds since the epoch."""

    async def write(self, journal: Journal) -> None:
        """Make it durable."""

    async def finish(self, journal: Journal, ended: RotationProgress, reason: str) -> None:
        """Make durable that it is over; the journal goes."""

    def belongs(self, device: Identity) -> bool:
        """Whether a device that the radio has, and the journal has not, is to have the key: it joined meanwhile."""

    async def put_out(self, journal: Journal) -> Collection[Identity]:
        """Which of its devices are to be sent nothing any more."""

    async def hold(self) -> None:
        """Let no admission begin on that radio until :meth:`release`, and return when none is open any more."""

    def release(self) -> None:
        """Admissions may begin. Idempotent."""

    def moved(self, before: RotationProgress, after: RotationProgress) -> None:
        """It stands there now, durably."""

    def stopped(self, reason: str, repair: str) -> None:
        """It can't go on."""


class _PausedError(Exception):
    """The machine is to begin anew after a while."""


class Runner:
    """One rotation on one radio, from its journal to its end. `progress` says where it stands, always."""

    def __init__(self, journal: Journal, *, radio: KeyRadio, books: Books, pace: Pace) -> None:
        self._journal = journal
        self._radio = radio
        self._books = books
        self._pace = pace
        self._machine: Machine | None = None
        self._queue: asyncio.Queue[Callable[[Machine, float], Acts]] = asyncio.Queue()
        # What others did that the machine has yet to hear, or has heard and is not durable yet.
        self._news: list[tuple[Identity, str | None]] = []
        self._noted: list[tuple[Identity, str | None]] = []
        self._reason_to_abandon: str | None = None
        self._exposed = False
        self._over: asyncio.Future[RotationProgress] = asyncio.get_running_loop().create_future()
        # Whether somebody asks how it ended is up to them.
        self._over.add_done_callback(lambda over: over.cancelled() or over.exception())
        self.progress = journal.progress()
        self.stopped: RotationStopped | None = None

    @property
    def journal(self) -> Journal:
        """The last one that is durable."""
        return self._journal

    async def ended(self) -> RotationProgress:
        """How it ended. Raises :class:`~hubsec.errors.RotationStopped` when it can't go on, and
        :class:`~hubsec.errors.HubsecError` when the hub was closed before."""
        return await asyncio.shield(self._over)

    def joined(self, device: Identity, name: str) -> None:
        """A device has joined meanwhile."""
        self._tell_of(device, name)

    def put_out(self, device: Identity) -> None:
        """A device is no longer to be on the network."""
        self._tell_of(device, None)

    def exposed(self) -> None:
        """A network key was sent meanwhile where a listener could open it."""
        self._exposed = True
        self._queue.put_nowait(lambda machine, _now: machine.exposed())

    def _tell_of(self, device: Identity, name: str | None) -> None:
        self._news.append((device, name))
        self._queue.put_nowait(self._hear_news)

    def _hear_news(self, machine: Machine, now: float) -> Acts:
        acts: Acts = ()
        while self._news:
            device, name = self._news.pop(0)
            self._noted.append((device, name))
            acts += machine.put_out(device, now) if name is None else machine.joined(device, name, now)
        return acts

    def abandon(self, reason: str) -> None:
        """Give it up, if the order to switch is not out. Raises :class:`~hubsec.errors.Refused`."""
        if self._over.done() and self.stopped is None:
            raise Refused("This rotation is over.", rule="rotation")
        journal = self._machine.journal if self._machine is not None else self._journal
        if self.stopped is None and (journal.round > 1 or journal.step not in {Step.STAGED, Step.DELIVERING}):
            raise Refused(
                "The order to switch may be out already: this rotation can only go on to its end.",
                rule="rotation",
            )
        self._reason_to_abandon = reason
        self._queue.put_nowait(lambda machine, _now: machine.abandon(reason) if machine.abandonable else ())

    def close(self) -> None:
        """The hub closes: nobody is told any more how it ends."""
        if not self._over.done():
            self._over.set_exception(
                HubsecError("The hub was closed. The rotation goes on when it is opened again.")
            )

    # Running

    async def run(self) -> None:
        """Go on until it is over, or stopped. Raises nothing but a cancellation, and leaves nothing running."""
        loop = asyncio.get_running_loop()
        while not self._over.done():
            self._queue = asyncio.Queue()
            self._news, self._noted = self._noted + self._news, []
            machine = self._machine = Machine(
                self._journal, pace=self._pace, now=loop.time(), utc=self._books.utc()
            )
            try:
                await self._drive(machine)
            except (HubsecError, _PausedError) as error:
                _LOGGER.warning("The rotation %s waits: %s", self._journal.rotation, error)
                self._machine = None
                self._moved(self._journal, trouble=str(error))
                if self._journal.step is not Step.SWITCHING:
                    self._books.release()
                await asyncio.sleep(self._pace.back)

    async def _drive(self, machine: Machine) -> None:
        loop = asyncio.get_running_loop()
        running: set[asyncio.Task[None]] = set()
        stop_hearing: Callable[[], None] | None = None
        try:
            with answering(self._journal.radio):
                stop_hearing = self._radio.heard(self._heard)
            await self._look_for_newcomers()
            # It may not be written down, since the plan was made or everything ended.
            out = await self._books.put_out(self._journal)
            acts = tuple(act for device in out for act in machine.put_out(device, loop.time()))
            acts += self._hear_news(machine, loop.time())
            acts += (machine.exposed() if self._exposed else ()) + machine.begin()
            if self._reason_to_abandon is not None and machine.abandonable:
                acts = machine.abandon(self._reason_to_abandon)
            while True:
                for act in acts:
                    if await self._do(act, running):
                        return
                acts = await self._next(machine)
        finally:
            if stop_hearing is not None:
                stop_hearing()
            for task in running:
                task.cancel()
            await asyncio.gather(*running, return_exceptions=True)
            if self._over.done():
                self._books.release()  # Also what began to hold only then.

    async def _look_for_newcomers(self) -> None:
        """Whoever joined and was not written down, since everything ended just then."""
        known = self._journal.targets.keys() | {device for device, _ in self._news}
        for route in await self._answer(self._radio.key_routes()):
            if route.device not in known and self._books.belongs(route.device):
                self._news.append((route.device, route.name))

    def _heard(self, device: Identity) -> None:
        self._queue.put_nowait(lambda machine, now: machine.heard(device, now))

    async def _next(self, machine: Machine) -> Acts:
        """What follows from the next thing that happens."""
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout_at(machine.wake_at):
                happened = await self._queue.get()
        except TimeoutError:
            return machine.tick(loop.time())
        return happened(machine, loop.time())

    async def _do(self, act: Act, running: set[asyncio.Task[None]]) -> bool:
        """Do it, or begin to. Whether that was the last."""
        radio = self._radio
        match act:
            case Write(journal=journal):
                await self._write(journal)
            case ReadKeys():
                state = await self._answer(radio.key_state())
                self._queue.put_nowait(lambda machine, now: machine.keys_read(state, now))
            case Broadcast(key=key):
                await self._answer(radio.broadcast_next_key(key))
                self._queue.put_nowait(lambda machine, now: machine.broadcast_done(now))
            case Send(device=device, key=key):
                self._begin(running, self._each(device, radio.send_next_key(device, key)))
            case Ask(device=device):
                self._begin(running, self._each(device, radio.answers(device)))
            case Hold():
                self._begin(running, self._hold())
            case Release():
                self._books.release()
            case Switch():
                await self._answer(radio.switch_key())
                self._queue.put_nowait(lambda machine, _now: machine.switched())
            case Follow():
                await self._answer(radio.follow_key())
                self._queue.put_nowait(lambda machine, now: machine.followed(now))
            case Pause(reason=reason):
                raise _PausedError(reason)
            case Finish():
                await self._finish(act)
                return True
            case Stop(reason=reason, repair=repair):
                self._stop(reason, repair)
                return True
            case _:
                assert_never(act)
        return False

    async def _answer[T](self, work: Awaitable[T]) -> T:
        with answering(self._journal.radio):
            return await work

    def _begin(self, running: set[asyncio.Task[None]], work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        running.add(task)
        task.add_done_callback(running.discard)
        # A task that is cancelled before it began has not touched its work.
        task.add_done_callback(lambda _: work.close())

    async def _each(self, device: Identity, work: Awaitable[bool]) -> None:
        """Hand back what came of one device's transfer. An error may be the device's or the radio's: then the radio is
        asked for its keys."""
        queue, trouble, yes = self._queue, False, False
        try:
            yes = await self._answer(work)
        except HubsecError:
            trouble = True
        queue.put_nowait(lambda machine, now: machine.answered(device, now, yes=yes))
        if trouble:
            queue.put_nowait(lambda _machine, _now: (ReadKeys(),))

    async def _hold(self) -> None:
        await self._books.hold()
        self._queue.put_nowait(lambda machine, now: machine.cleared(now))

    async def _write(self, journal: Journal) -> None:
        await self._books.write(journal)
        self._noted.clear()
        self._moved(journal)

    def _moved(self, journal: Journal, *, trouble: str = "") -> None:
        before, self._journal = self.progress, journal
        self.progress = journal.progress(trouble=trouble)
        self._books.moved(before, self.progress)

    async def _finish(self, act: Finish) -> None:
        ended = act.journal.progress(ended_at=self._books.utc(), outcome=act.outcome)
        before = self.progress
        await self._books.finish(act.journal, ended, act.reason)
        self.progress, self._journal = ended, act.journal
        self._books.moved(before, ended)
        if not self._over.done():
            self._over.set_result(ended)

    def _stop(self, reason: str, repair: str) -> None:
        self.stopped = RotationStopped(reason, repair=repair)
        self._books.release()
        self._moved(self._journal, trouble=str(self.stopped))
        self._books.stopped(reason, repair)
        if not self._over.done():
            self._over.set_exception(self.stopped)

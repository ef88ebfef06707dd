"""The thin shell around a re-inclusion's machine: it carries out what that says, in its order, and tells it what came
of it."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass
from functools import partial
from typing import Final, Protocol, assert_never

import msgspec

from hubsec.admission import Admission, Outcome
from hubsec.errors import AdmissionEnded, HubsecError, StoreError
from hubsec.events import Reincluded, ReinclusionAwaits, ReinclusionEnded
from hubsec.identity import Identity
from hubsec.reinclusion import journal
from hubsec.reinclusion.journal import Journal, Row
from hubsec.reinclusion.machine import (
    Ask,
    End,
    Machine,
    Open,
    Output,
    Recognize,
    Restart,
    Stop,
    Tell,
    Watch,
    Write,
)
from hubsec.reinclusion.planning import todo_for
from hubsec.reinclusion.radio import ReinclusionRadio
from hubsec.reinclusion.shapes import Manner, Proof, ReinclusionProgress, Stage
from hubsec.state import HubState

_LOGGER = logging.getLogger(__name__)

ASKED_AT_ONCE: Final = 4
"""Devices that are asked at the same time: a controller sends one frame at a time, and waits for who is off."""
AWAITS: Final = "It is to be included anew under the network's new keys."
"""Why a device is shut off until then."""


class Door(Protocol):
    """How devices are let in again."""

    async def admission(self, row: Row) -> Admission:
        """An admission for the row's device: into its place, or by SmartStart. One from before, of which nobody saw
        what became of its device, is over."""

    async def came(self, device: Identity) -> None:
        """The device has come by an admission of which nobody saw what became of it."""


@dataclass(slots=True, eq=False)
class _Opening:
    """A place that is open, and what came of it."""

    row: Row
    admission: Admission | None = None
    reason: str = "Nobody waits for it any more."


def held(state: Journal) -> dict[Identity, str]:
    """What a radio shuts off at this point: each address, and whose it is wherever that one may come up."""
    return {who: AWAITS for pair in state.held.items() for who in pair}


def _last_time(row: Row) -> str:
    """What a person has to know who is told once more; somebody else may be in the device's place by now."""
    if not row.detail:
        return ""
    return (
        f" Last time: {row.detail} If another device has come in its place, reset that one or switch it off."
    )


class Running:
    """One re-inclusion on one radio, for as long as its hub is open. :meth:`run` is its task."""

    def __init__(self, state: HubState, radio: ReinclusionRadio, machine: Machine, door: Door) -> None:
        self._state = state
        self._radio = radio
        self._machine = machine
        self._written = machine.journal
        self._door = door
        self._inputs: asyncio.Queue[Callable[[], Awaitable[None]]] = asyncio.Queue()
        self._tasks: set[asyncio.Task[None]] = set()
        self._person: asyncio.Task[None] | None = None
        self._asking = asyncio.Semaphore(ASKED_AT_ONCE)
        self._ended = asyncio.Event()
        self._noted: ReinclusionProgress | None = None
        self._own = ""
        if machine.is_over:
            self._ended.set()

    @property
    def progress(self) -> ReinclusionProgress:
        """Where it stands, as far as it is durable."""
        machine = self._machine
        return self._written.progress(current=machine.current, standstill=machine.standstill)

    @property
    def machine(self) -> Machine:
        """What decides."""
        return self._machine

    async def ended(self) -> ReinclusionProgress:
        """Wait until it is over."""
        await self._ended.wait()
        return self.progress

    async def run(self) -> None:
        """Go on from where the journal says that it stands, until this is cancelled."""
        machine = self._machine
        unsubscribe = self._radio.stands(lambda up: self.feed(machine.back if up else machine.lost))
        try:
            self._radio.hold(held(machine.journal))
            await self._carry_out(machine.begin())
            while True:
                await self._note()
                await (await self._inputs.get())()
        finally:
            unsubscribe()
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)

    def feed(self, give: Callable[[], list[Output]]) -> None:
        """Something happened: `give` tells the machine, in its turn."""

        async def carry_out() -> None:
            await self._carry_out(give())

        self._inputs.put_nowait(carry_out)

    async def say(self, give: Callable[[], list[Output]]) -> None:
        """Somebody says something; it is durable when this returns."""
        done = asyncio.get_running_loop().create_future()

        async def carry_out() -> None:
            try:
                await self._carry_out(give())
            finally:
                if not done.done():
                    done.set_result(None)

        self._inputs.put_nowait(carry_out)
        await done

    def joined(self, device: Identity, place: Identity | None, correlation: str) -> None:
        """The device has joined, by this or by any other admission."""
        if self._machine.journal.row(device) is not None and correlation != self._own and place is not None:
            self.feed(lambda: self._machine.joined(device, place))

    # Outputs

    async def _carry_out(self, outputs: list[Output]) -> None:
        for output in outputs:
            match output:
                case Write(journal=state):
                    await self._write(state)
                case Restart():
                    self._spawn(self._restart(), "restart")
                case Ask(device=device, later=later):
                    self._spawn(self._ask(device, later=later), f"proof of {device}")
                case Watch(device=device):
                    self._wait_for(self._watch(self._row(device)), f"watch for {device}")
                case Open(device=device):
                    opening = _Opening(self._row(device))
                    self._wait_for(self._open(opening), f"place of {device}")
                    if self._person is not None:
                        # Also of one that is stopped before it has begun.
                        self._person.add_done_callback(partial(self._opened, opening))
                case Stop():
                    if self._person is not None:
                        self._person.cancel()
                        self._person = None
                case Recognize(device=device):
                    await self._recognize(self._row(device))
                case Tell(device=device):
                    self._tell(self._row(device))
                case End():
                    self._end()
                case _:
                    assert_never(output)

    async def _write(self, state: Journal) -> None:
        """Nothing goes on without its record: a disk that is full is waited for."""
        machine, hub = self._machine, self._state
        if state.stage is Stage.ENDED and state.ended_at is None:
            state = machine.journal = msgspec.structs.replace(state, ended_at=hub.now())
        progress = state.progress(current=machine.current, standstill=machine.standstill)
        while True:
            try:
                await hub.recorded(journal.write(hub.store, state, progress, at=hub.now()))
                break
            except StoreError as error:
                _LOGGER.warning("%s waits for its journal: %s", state.reinclusion, error)
                await asyncio.sleep(self._radio.pace.again)
        self._radio.hold(held(state))
        self._written, self._noted = state, progress

    async def _note(self) -> None:
        """What shows of it beside its journal; a disk that is full is tried again with whatever happens next."""
        progress = self.progress
        if progress == self._noted:
            return
        with contextlib.suppress(StoreError):
            await self._state.recorded(self._state.store.run(lambda store: store.note_reinclusion(progress)))
            self._noted = progress

    async def _restart(self) -> None:
        machine = self._machine
        try:
            await self._radio.restart_on(machine.journal.keys)
        except HubsecError as error:
            reason = str(error)
            self.feed(lambda: machine.restart_failed(reason))
        else:
            self.feed(machine.restarted)

    async def _ask(self, device: Identity, *, later: bool) -> None:
        proof = Proof.SILENT
        if later:
            await asyncio.sleep(self._radio.pace.again)
        async with self._asking:
            with contextlib.suppress(HubsecError):
                proof = await self._radio.proof(self._row(device).place)
        self.feed(lambda: self._machine.answered(device, proof))

    async def _recognize(self, row: Row) -> None:
        # What can't be written down now is found again whenever the radio is opened.
        with contextlib.suppress(HubsecError):
            await self._radio.recognize(row.place, row.device)
            await self._door.came(row.device)

    async def _watch(self, row: Row) -> None:
        machine, device = self._machine, row.device
        self._state.publish(
            ReinclusionAwaits(
                time=self._state.now(),
                radio=machine.journal.radio,
                device=device,
                correlation=machine.journal.reinclusion,
                name=row.name,
                detail=f"{todo_for(row.manner, sleepy=row.sleepy)}{_last_time(row)}",
                smart_start=row.manner is Manner.SMART_START,
            )
        )
        while True:
            with contextlib.suppress(HubsecError):
                if not self._radio.is_there(row.place) and row.manner is Manner.IN_PLACE:
                    self.feed(lambda: machine.place_gone(device))
                    return
                if await self._radio.is_silent(row.place):
                    self.feed(lambda: machine.fell_silent(device))
                    return
            await asyncio.sleep(self._radio.pace.watch)

    async def _open(self, opening: _Opening) -> None:
        try:
            if opening.row.manner is Manner.SMART_START:
                await self._radio.strike_off(opening.row.place)
            admission = opening.admission = await self._door.admission(opening.row)
            self._own = admission.id
            async with admission:
                await admission.joined()
        except AdmissionEnded as error:
            opening.reason = str(error)
        except HubsecError as error:
            opening.reason = str(error)
            # Not at once again: the controller may be busy, or what broke off has an exchange yet to end.
            await asyncio.sleep(self._radio.pace.again)

    def _opened(self, opening: _Opening, _: object) -> None:
        machine, row, admission, reason = self._machine, opening.row, opening.admission, opening.reason
        device = row.device
        if admission is not None and admission.outcome is Outcome.JOINED:
            place = next((one.place for one in self._radio.places() if one.device == device), row.place)
            self.feed(lambda: machine.joined(device, place))
        else:
            self.feed(lambda: machine.failed(device, reason))

    def _tell(self, row: Row) -> None:
        progress = self.progress
        self._state.publish(
            Reincluded(
                time=self._state.now(),
                radio=progress.radio,
                device=row.device,
                correlation=progress.reinclusion,
                name=row.name,
                done=progress.done,
                devices=len(progress.devices),
            )
        )

    def _end(self) -> None:
        progress = self.progress
        self._ended.set()
        self._state.publish(
            ReinclusionEnded(
                time=self._state.now(),
                radio=progress.radio,
                correlation=progress.reinclusion,
                missing=progress.missing,
            )
        )

    # Inside

    def _row(self, device: Identity) -> Row:
        row = self._machine.journal.row(device)
        if row is None:
            raise HubsecError(f"{device} is not in this re-inclusion.")
        return row

    def _wait_for(self, work: Coroutine[object, object, None], what: str) -> None:
        self._person = self._spawn(work, what)

    def _spawn(self, work: Coroutine[object, object, None], what: str) -> asyncio.Task[None]:
        task = asyncio.get_running_loop().create_task(work, name=f"hubsec {what}")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        task.add_done_callback(lambda _: work.close())
        return task

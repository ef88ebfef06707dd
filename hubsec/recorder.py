"""The hub's hand on its audit log: what nobody waits for, what is counted instead of written, and what is said of a
disk that fails.

The rules
1. Every event that the bus tells is written down, and nobody waits for it.
2. A decision is durable before anybody acts on it, except in a flood of those by which nothing can leave: refusals,
   and what is said of devices that are there without having joined. Once :data:`AT_ONCE` of them have come, and more
   than :data:`PER_SECOND` each second, a durable record says that they are counted from here on, and each
   :data:`COUNT_SECONDS` another one says how many they were.
3. Each type of event has an allowance like that of its own. What is beyond it is counted as well, and told.
4. Nothing is decided before it is written down which hub is open, in which mode and under which policy.
5. What closes is written down by whom and why, once it is closed: no disk keeps anything open. Where it can't be
   written now, up to :data:`LATE` of such acts wait for the disk to work again.
6. When the disk fails that is told once, as a standing alarm, and tried again each :data:`PROBE_SECONDS`. When it
   works, it is told after which record the log goes on, and how many events were not written.
7. A log whose end is damaged is an alarm as well, which stands until somebody accepts it.
"""

from __future__ import annotations

import asyncio
import functools
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import msgspec

from hubsec.audit.records import Act, Channel, Draft, Kind, draft
from hubsec.buckets import Bucket
from hubsec.decisions import Deny, Knock
from hubsec.errors import SealError, StoreError
from hubsec.events import Event, StoreAlarm, StoreRecovered
from hubsec.events_json import EventFormatError, to_json
from hubsec.identity import Identity, Network
from hubsec.requests import OpenRequest, PresenceRequest, Request
from hubsec.store import Record

if TYPE_CHECKING:
    from hubsec.replay import Replay
    from hubsec.state import HubState

# So many of one sort are written one by one before any is counted. Judgement: more than a large house makes when its
# power comes back.
AT_ONCE: Final = 600
# And so many in the long run: 86,400 a day, of which a log of 400,000 holds those of a day of every type that a
# stranger can cause (refusals, and as events what was denied and what knocked).
PER_SECOND: Final = 1.0
COUNT_SECONDS: Final = 60.0
PROBE_SECONDS: Final = 15.0
# Devices and rules of a flood that are told apart; who makes up more addresses is counted all the same.
TOLD_APART: Final = 256
# Closings that wait for a disk that fails. Each was opened while it worked, so they are few.
LATE: Final = 256
_US: Final = "hubsec"
_HOST: Final = "host"


@dataclass(slots=True)
class _Counted:
    """A flood of decisions, since the record that spoke of it last."""

    begun: asyncio.Task[int]
    decisions: int = 0
    devices: set[Identity | None] = field(default_factory=set)
    rules: set[str] = field(default_factory=set)

    def add(self, record: Record) -> None:
        self.decisions += 1
        if len(self.devices) < TOLD_APART:
            self.devices.add(record.device)
        if len(self.rules) < TOLD_APART:
            self.rules.add(record.decision.rule)

    def taken(self) -> dict[str, str | float | bool | None]:
        """What there is to say, which is forgotten with that."""
        details: dict[str, str | float | bool | None] = {
            "decisions": self.decisions,
            "devices": len(self.devices),
            "more_devices": len(self.devices) >= TOLD_APART,
            "rules": ", ".join(sorted(self.rules)),
        }
        self.decisions = 0
        self.devices.clear()
        self.rules.clear()
        return details


class Recorder:
    """One for each open hub. The rules are in the module's docstring."""

    def __init__(self, state: HubState, **opening: str) -> None:
        """`opening` is what is recorded of the hub's opening."""
        self._state = state
        self._opening = opening
        self._introduced = False
        self._harmless = Bucket(AT_ONCE, PER_SECOND)
        self._counted: _Counted | None = None
        self._allowances: dict[type[Event], Bucket] = {}
        self._passed_over: dict[type[Event], int] = {}
        self._replays: set[Replay[Any]] = set()
        self._timers: dict[str, asyncio.TimerHandle] = {}
        self._probing: asyncio.Task[None] | None = None
        self._gap_after: int | None = None
        self._unwritten = 0
        self._late: deque[Draft] = deque(maxlen=LATE)
        self._closed = False

    # Decisions

    async def introduce(self) -> None:
        """Write down which hub this is, once (rule 4). Raises :class:`~hubsec.errors.StoreError`."""
        if not self._introduced:
            # After which record it goes on: what a crash has cost shows against what was told elsewhere.
            details: dict[str, str | float | bool | None] = {
                **self._opening,
                "after": self._state.store.newest,
            }
            await self._state.acted(Act(act="hub-opened", by="program", details=details))
            self._introduced = True

    async def decided(self, record: Record) -> None:
        """Write a decision down, or count it (rule 2); durable when this returns.

        Raises :class:`~hubsec.errors.StoreError`.
        """
        await self.introduce()
        harmless = isinstance(record.decision, Deny | Knock) or isinstance(record.request, PresenceRequest)
        if harmless and not self._harmless.take(_now()):
            await self._count(record)
        else:
            await self._state.recorded(self._state.store.record(record))

    async def _count(self, record: Record) -> None:
        if self._counted is None:
            act = Act(act="decisions-are-counted", by=_US, reason=f"More than {AT_ONCE} came at once.")
            self._counted = _Counted(asyncio.ensure_future(self._state.acted(act)))
            self._later("count", COUNT_SECONDS, self._tell_count)
        counted = self._counted
        counted.add(record)
        try:
            await asyncio.shield(counted.begun)
        except StoreError:
            if self._counted is counted:
                self._counted = None
            raise

    def _tell_count(self) -> None:
        """Say how many there were; where there were none, the flood is over."""
        if self._counted is None or not self._counted.decisions:
            self._counted = None
            return
        self.note(Act(act="decisions-counted", by=_US, details=self._counted.taken()))
        self._later("count", COUNT_SECONDS, self._tell_count)

    # Events

    def on_event(self, event: Event) -> None:
        """Write down what the bus tells (rules 1 and 3)."""
        kind = type(event)
        allowance = self._allowances.get(kind)
        if allowance is None:
            allowance = self._allowances[kind] = Bucket(AT_ONCE, PER_SECOND)
        if not allowance.take(_now()):
            self._passed_over[kind] = self._passed_over.get(kind, 0) + 1
            self._pass_on(None, event)
            return
        if kind in self._passed_over:
            self._tell_passed_over(kind)
        try:
            written = draft(
                event.time, Kind.EVENT, event.device, event.correlation, msgspec.Raw(to_json(event))
            )
        except (StoreError, EventFormatError):
            # What no file can hold; it has been told all the same.
            self._unwritten += 1
            self._pass_on(None, event)
            return
        self._state.store.note(written, functools.partial(self._event_written, event))

    def _event_written(self, event: Event, seq: int | None, error: Exception | None) -> None:
        if error is not None:
            self._unwritten += 1
        self._noted(seq, error)
        self._pass_on(seq, event)

    def _tell_passed_over(self, kind: type[Event]) -> None:
        name, count = str(kind.__struct_config__.tag), self._passed_over.pop(kind)
        self.note(Act(act="events-counted", by=_US, details={"event": name, "count": count}))

    def note(self, act: Act) -> None:
        """Write down what was done, without waiting."""
        store = self._state.store
        store.note(store.act_draft(act, at=self._state.now()), self._noted)

    def _noted(self, _: int | None, error: Exception | None) -> None:
        # That a small record found room is not yet that a decision does: the alarm ends with one that is waited for.
        if error is not None:
            self.failed(error)

    # What closes

    def closing(self, act: Act) -> asyncio.Future[None]:
        """Write down what was closed (rule 5). What is returned is done once that is durable, or waits for the disk;
        whoever need not know leaves it."""
        store = self._state.store
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()

        def told(seq: int | None, error: Exception | None) -> None:
            self._closing_written(written, seq, error)
            if not done.done():
                done.set_result(None)

        try:
            written = store.act_draft(act, at=self._state.now())
        except StoreError as error:
            self._noted(None, error)
            done.set_result(None)
        else:
            store.note(written, told)
        return done

    def _closing_written(self, written: Draft, seq: int | None, error: Exception | None) -> None:
        if error is not None:
            self._late.append(written)
        self._noted(seq, error)

    # Replays

    def attach(self, replay: Replay[Any]) -> None:
        """Pass on to `replay` what is written from now on."""
        self._replays.add(replay)

    def detach(self, replay: Replay[Any]) -> None:
        """The end of that. Idempotent."""
        self._replays.discard(replay)

    def _pass_on(self, seq: int | None, event: Event) -> None:
        for replay in tuple(self._replays):
            replay.put(seq, event)

    # The disk

    def failed(self, error: Exception) -> None:
        """Something could not be written (rule 6)."""
        state, before = self._state, self._state.alarm
        if self._closed:
            return
        state.alarm = str(error)
        if before is None or before == state.fault:
            self._gap_after = state.store.newest
            self._later("probe", PROBE_SECONDS, self._probe)
            state.publish(StoreAlarm(time=state.now(), reason=str(error)))

    def works(self) -> None:
        """Something that was waited for is durable (rule 6)."""
        state = self._state
        if state.alarm is None or state.alarm == state.fault:
            return
        state.alarm = None
        after, unwritten = self._gap_after, self._unwritten
        self._gap_after, self._unwritten = None, 0
        state.publish(StoreRecovered(time=state.now(), after=after, unwritten=unwritten))
        late = tuple(self._late)
        self._late.clear()
        for written in late:
            state.store.note(written, functools.partial(self._closing_written, written))
        self.look_at_log()

    def look_at_log(self) -> None:
        """Say that the log is damaged, if it is, and nothing worse is to be said (rule 7)."""
        state = self._state
        if state.alarm is None and state.fault is not None:
            state.alarm, self._gap_after = state.fault, state.store.newest
            state.publish(StoreAlarm(time=state.now(), reason=state.fault))

    async def accept_log(self, *, by: str, reason: str) -> bool:
        """The end of that, on `by`'s word. Whether there was anything to accept. Raises
        :class:`~hubsec.errors.StoreError`."""
        state = self._state
        return await state.recorded(state.store.accept_log(by=by, at=state.now(), reason=reason))

    def _probe(self) -> None:
        if self._state.alarm is not None:
            self._probing = asyncio.ensure_future(self._try())

    async def _try(self) -> None:
        try:
            await self._state.acted(Act(act="store-tried", by=_US, reason=self._state.alarm or ""))
        except StoreError:
            self._later("probe", PROBE_SECONDS, self._probe)

    def _later(self, what: str, seconds: float, call: Callable[[], object]) -> None:
        if what in self._timers:
            self._timers[what].cancel()
        if not self._closed:
            self._timers[what] = asyncio.get_running_loop().call_later(seconds, call)

    # The end

    async def close(self) -> None:
        """Write down what was counted and that the hub closes, and sign. A disk that fails keeps nobody."""
        for timer in self._timers.values():
            timer.cancel()
        if self._probing is not None:
            self._probing.cancel()
            await asyncio.wait([self._probing])
        if self._counted is not None:
            await asyncio.wait([self._counted.begun])
            self._tell_count()
        for kind in tuple(self._passed_over):
            self._tell_passed_over(kind)
        for timer in self._timers.values():
            timer.cancel()
        for replay in tuple(self._replays):
            replay.close()
        state = self._state
        try:
            await state.acted(Act(act="hub-closed", by="program"))
            await state.store.checkpoint(at=state.now())
        except SealError:
            pass  # There is nothing to sign with; the log is there all the same.
        except StoreError:
            pass  # It is told as the alarm.
        self._closed = True


def asked(request: Request) -> tuple[str, Channel]:
    """Who asked, and how."""
    match request:
        case OpenRequest(asker=asker, network=network):
            if asker == _HOST:
                return asker, Channel.HOST
            return asker, Channel.GATE if network is Network.ZWAVE else Channel.RADIO
        case _:
            return request.device or request.radio, Channel.RADIO


def _now() -> float:
    return asyncio.get_running_loop().time()

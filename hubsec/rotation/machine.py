"""The rotation of a Zigbee network key: what to do next. No I/O, no clock of its own, no randomness.

It is told what has happened (a method for each) and answers with what is to be done, in that order; a :class:`Write` is
durable before what stands behind it begins. Whoever drives it hands back each result, and after any failure of the
radio or the store makes a new machine from the last journal that is durable.

The rules, with their sections of the Zigbee specification (R23):

1.  A device keeps two network keys, each with its sequence number, and takes a frame under either (4.3.1). The next
    key goes out by APS Transport-Key and overwrites the one that is not in use (4.4.3); APS Switch-Key names the
    sequence number that is to be used (4.4.7). Sequence numbers go up by one and wrap at 256 (4.6.3.4).
2.  All the keys of a rotation are in the journal before the first is sent, and no other key is ever sent. What was sent
    is sent again with the same key.
3.  After any interruption the radio's key is looked for in the chain of old and new keys. It is where the journal says:
    go on. It is further: the switch has happened, go on from there. It is behind what was confirmed, or is none of
    them: :class:`Stop`. Nothing is guessed.
4.  Broadcast (4.6.3.4.1): once, under the present key, then nothing until it has faded (:data:`FADE`).
5.  Unicast (4.6.3.4.2): to each device under its own link key, a few at once, again where it did not answer; to whoever
    sleeps when it is heard. Who was left out is sent nothing, in any round, nor is whoever was put out since.
6.  A router relays a broadcast once, so that it may miss a device: while it fades, whoever listens is given that key by
    itself as well, once. It does not reach who sleeps or has joined since: they are tried again.
7.  The switch comes when all who are awaited have the key, or the deadline has passed; not while anything is on its
    way, nor while a device is being admitted (:class:`Hold`: those that are open end, and none begins); and not before
    the radio has said that it has the next key staged. A unicast that reached nobody is given up instead.
8.  The order to switch is in the journal before it goes out; that it was followed is read back (4.4.7, 4.3.1.2). Then
    the host's records follow. Frame counters are the radio's own; they go on (3.6.1, and silicon).
9.  After a unicast round a second key goes out by broadcast under the first, so that both slots of every device are
    overwritten. Who missed the first can't hear of the second, and is not awaited.
10. In the end each device is asked something under the new key. Who has not answered when its tries or the time are
    over is a straggler. Who was left out is not asked.
11. Until the order to switch is in the journal, in the first round, it can be abandoned. From then on nobody is
    admitted until the radio's key is known.
"""

from __future__ import annotations

import enum
import itertools
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

import msgspec

from hubsec.errors import Refused
from hubsec.identity import Identity
from hubsec.rotation.journal import MAX_DEVICES, Journal, Target
from hubsec.rotation.radio import KeyState
from hubsec.rotation.shapes import Delivery, Outcome, Step
from hubsec.secret import Secret

FADE: Final = 20.0
"""Seconds until a broadcast has faded. Silicon Labs' trust center library waits that long between next key and switch;
on silicon 20.5 s were seen."""
_REPAIR: Final = (
    "Put back the stick that ran this rotation, or restore its newest backup, and open the hub again. To keep the key "
    "that the radio has now, abandon the rotation: devices that do not answer then are to be re-joined with their "
    "install codes."
)


class Pace(msgspec.Struct, frozen=True, kw_only=True):
    """The waits of a rotation, in seconds; what is not from a source is judgement.

    `fade`: see :data:`FADE`. `at_once` transfers at a time to those that listen: a stick has buffers for about ten;
    `asleep_at_once` to those that sleep, whose frames wait at their parents. A device that did not answer is tried
    again after `again`, then twice that, up to `again_most`; one that is heard, after `heard`. `asks`: how often a
    device that listens is asked under the new key, about five minutes in all. `back`: how long until a radio that
    failed is looked for again. `grace`: what is left of a deadline after an interruption at least. `idle`: how often
    the triggers are looked at.
    """

    fade: float = FADE
    at_once: int = 8
    asleep_at_once: int = 32
    again: float = 10.0
    again_most: float = 120.0
    heard: float = 2.0
    asks: int = 6
    back: float = 5.0
    grace: float = 60.0
    idle: float = 3600.0

    def scaled(self, factor: float) -> Pace:
        """The same, `factor` times as fast: for emulated networks whose time runs so."""
        waits = ("fade", "again", "again_most", "heard", "back", "grace", "idle")
        return msgspec.structs.replace(self, **{name: getattr(self, name) / factor for name in waits})


# What is to be done


class Write(msgspec.Struct, frozen=True, kw_only=True):
    """Make `journal` durable before anything that follows."""

    journal: Journal


class ReadKeys(msgspec.Struct, frozen=True, kw_only=True):
    """Read the radio's keys back: :meth:`Machine.keys_read`."""


class Broadcast(msgspec.Struct, frozen=True, kw_only=True):
    """Stage `key` and broadcast it: :meth:`Machine.broadcast_done`."""

    key: Secret


class Send(msgspec.Struct, frozen=True, kw_only=True):
    """Stage `key` and send it to one device: :meth:`Machine.answered`."""

    device: Identity
    key: Secret


class Ask(msgspec.Struct, frozen=True, kw_only=True):
    """Ask a device something under the present key: :meth:`Machine.answered`."""

    device: Identity


class Hold(msgspec.Struct, frozen=True, kw_only=True):
    """Let no admission begin, and wait for those that are open: :meth:`Machine.cleared`."""


class Release(msgspec.Struct, frozen=True, kw_only=True):
    """Admissions may begin again. Not answered."""


class Switch(msgspec.Struct, frozen=True, kw_only=True):
    """Order the switch: :meth:`Machine.switched`."""


class Follow(msgspec.Struct, frozen=True, kw_only=True):
    """Bring the host's records to the radio's key: :meth:`Machine.followed`."""


class Pause(msgspec.Struct, frozen=True, kw_only=True):
    """The radio does not do what it says. Begin anew from the journal, after a while."""

    reason: str


class Finish(msgspec.Struct, frozen=True, kw_only=True):
    """It is over, as `journal` has it. Nothing follows."""

    journal: Journal
    outcome: Outcome
    reason: str = ""


class Stop(msgspec.Struct, frozen=True, kw_only=True):
    """It can't go on; the journal stays. Nothing follows."""

    reason: str
    repair: str


type Act = (
    Write | ReadKeys | Broadcast | Send | Ask | Hold | Release | Switch | Follow | Pause | Finish | Stop
)
type Acts = tuple[Act, ...]


class _Phase(enum.Enum):
    READING = enum.auto()
    DELIVERING = enum.auto()
    HOLDING = enum.auto()
    CLEARED = enum.auto()
    SWITCHING = enum.auto()
    VERIFYING = enum.auto()
    FOLLOWING = enum.auto()
    CONFIRMING = enum.auto()
    OVER = enum.auto()


@dataclass(slots=True)
class _Tries:
    """How often a device was tried in this phase, and when it is to be again."""

    count: int = 0
    last: float = -math.inf
    next: float = -math.inf
    heard: bool = False
    busy: bool = False


class Machine:
    """One rotation between two interruptions. `now` is seconds of any steady clock, the same for every call; `utc` is
    the time since the epoch at `now`.

    `wake_at` is when :meth:`tick` is to be called if nothing happens before, on that clock; None: not at all.
    """

    def __init__(self, journal: Journal, *, pace: Pace, now: float, utc: float) -> None:
        self.journal = journal
        self.wake_at: float | None = None
        self._pace = pace
        self._offset = utc - now
        self._phase = _Phase.READING
        self._tries: dict[Identity, _Tries] = {}
        self._out: set[Identity] = set()
        least = min(pace.grace, journal.patience)
        self._deadline = now + min(max(journal.deadline - utc, least), journal.patience)
        self._faded_at = math.inf
        self._staged_again = False
        # Whether it has seen all that this rotation has sent.
        self._whole = journal.step is Step.STAGED

    def begin(self) -> Acts:
        """What to do first."""
        return (ReadKeys(),)

    @property
    def abandonable(self) -> bool:
        """Whether :meth:`abandon` would do it (rule 11)."""
        return (
            self._phase is not _Phase.OVER
            and self.journal.round == 1
            and self.journal.step in {Step.STAGED, Step.DELIVERING}
        )

    # What has happened

    def keys_read(self, state: KeyState, now: float) -> Acts:
        """The radio's keys are these (rules 3, 7 and 8)."""
        phase, journal = self._phase, self.journal
        if phase is _Phase.OVER:
            return ()
        chain = journal.chain
        place = next((at for at, one in enumerate(chain) if one.key == state.key), None)
        if place is None or state.sequence != chain[place].sequence or place < journal.settled:
            return self._disagree(place)
        if place > journal.settled:
            return self._moved_to(place)
        match phase:
            case _Phase.READING:
                return self._go_on(now)
            case _Phase.CLEARED:
                return self._order_switch(state, now)
            case _Phase.VERIFYING:
                return (Pause(reason="The radio was told to switch, and still uses the key from before."),)
            case _:
                return ()  # It was only looked at, after a device that did not answer.

    def broadcast_done(self, now: float) -> Acts:
        """The next key was broadcast (rule 4)."""
        if self._phase is not _Phase.DELIVERING:
            return ()
        self._faded_at = now + self._pace.fade
        return self._pump(now)

    def answered(self, device: Identity, now: float, *, yes: bool) -> Acts:
        """What was sent to, or asked of, a device has been answered, or has not."""
        tries = self._tries.get(device)
        target = self.journal.targets.get(device)
        if tries is None or target is None or not tries.busy:
            return ()
        tries.busy = False
        tries.heard = False
        tries.count += 1
        tries.last = now
        tries.next = now + min(self._pace.again * 2 ** (tries.count - 1), self._pace.again_most)
        acts: Acts = ()
        if self._phase is _Phase.DELIVERING and (yes or self._told(target)):
            acts = self._set([device], Delivery.SENT)
        elif self._phase is _Phase.CONFIRMING:
            if yes:
                acts = self._set([device], Delivery.CONFIRMED)
            elif not target.sleepy and tries.count >= self._pace.asks:
                acts = self._set([device], Delivery.MISSED)
        return acts + self._pump(now)

    def heard(self, device: Identity, now: float) -> Acts:
        """A device was heard: it is awake now (rule 5)."""
        tries = self._tries.get(device)
        if tries is None or tries.busy or tries.heard:
            return ()
        tries.heard = True
        tries.next = min(tries.next, max(now, tries.last + self._pace.heard))
        return self._pump(now)

    def cleared(self, now: float) -> Acts:
        """No admission is open, and none begins (rule 7)."""
        if self._phase is not _Phase.HOLDING:
            return (Release(),)
        # Once the order may be out, whoever is admitted is given a key that others have left already.
        if not self._ordered and now < self._deadline and any(self._awaited()):
            self._phase = _Phase.DELIVERING
            return (Release(), *self._pump(now))
        self._phase = _Phase.CLEARED
        return (ReadKeys(),)

    def switched(self) -> Acts:
        """The radio says that it has switched (rule 8)."""
        self._phase = _Phase.VERIFYING
        return (ReadKeys(),)

    def followed(self, now: float) -> Acts:
        """The host's records have the radio's key; on to the next round, or to confirming (rules 9 and 10)."""
        if self._phase is not _Phase.FOLLOWING:
            return ()
        self._renew_deadline(now)
        if self.journal.round < len(self.journal.keys):
            targets = {
                device: msgspec.structs.replace(
                    target, delivery=Delivery.MISSED if device in self._out else Delivery.PENDING
                )
                if target.delivery is Delivery.SENT
                else target
                for device, target in self.journal.targets.items()
            }
            self._change(round=self.journal.round + 1, step=Step.DELIVERING, targets=targets)
            return (Write(journal=self.journal), *self._deliver(now))
        self._change(step=Step.CONFIRMING)
        return (Write(journal=self.journal), *self._confirm(now))

    def tick(self, now: float) -> Acts:
        """It is :attr:`wake_at`, or later."""
        return self._pump(now)

    # What others do meanwhile

    def joined(self, device: Identity, name: str, now: float) -> Acts:
        """A device has joined, under the key that was the present one then (rule 6)."""
        journal, known = self.journal, self.journal.targets.get(device)
        if self._phase is _Phase.OVER or (known is None and len(journal.targets) >= MAX_DEVICES):
            return ()
        # Nobody has said yet whether it sleeps: as one that does it is given the most time.
        newcomer = Target(name=name, delivery=Delivery.PENDING, sleepy=True, alone=True)
        self._change(targets={**journal.targets, device: newcomer})
        self._tries[device] = _Tries()
        self._out.discard(device)
        return (Write(journal=self.journal), *self._pump(now))

    def put_out(self, device: Identity, now: float) -> Acts:
        """A device is no longer to be on the network: it is sent nothing from here on, by this machine; to be said
        again to the next one. It counts as left out only where nothing can have reached it, and no broadcast is to come
        that it could read."""
        self._out.add(device)
        target, tries = self.journal.targets.get(device), self._tries.get(device)
        if target is not None and target.delivery is Delivery.SENT and self._phase is _Phase.CONFIRMING:
            return self._set([device], Delivery.MISSED) + self._pump(now)
        if target is None and device in self.journal.evicted:
            # It came back to be put out once more, and nobody knows with which key.
            self._change(evicted=tuple(one for one in self.journal.evicted if one != device))
            return (Write(journal=self.journal),)
        if target is None or target.delivery is not Delivery.PENDING:
            return ()
        untried = self._whole and (tries is None or not (tries.count or tries.busy))
        out = Delivery.LEFT_OUT if untried and not self.journal.by_broadcast else Delivery.MISSED
        return self._set([device], out) + self._pump(now)

    def exposed(self) -> Acts:
        """A network key was sent where a listener could open it: what this rotation was to heal it no longer does."""
        if self._phase is _Phase.OVER or not self.journal.heals:
            return ()
        self._change(heals=False)
        return (Write(journal=self.journal),)

    def abandon(self, reason: str) -> Acts:
        """Give it up. Raises :class:`~hubsec.errors.Refused` when it is too late (rule 11)."""
        if not self.abandonable:
            raise Refused(
                "The order to switch may be out already: this rotation can only go on to its end.",
                rule="rotation",
            )
        return self._finish(Outcome.ABANDONED, reason)

    # Delivering

    def _go_on(self, now: float) -> Acts:
        match self.journal.step:
            case Step.STAGED | Step.DELIVERING:
                acts: Acts = ()
                if self.journal.step is Step.STAGED:
                    self._change(step=Step.DELIVERING)
                    acts = (Write(journal=self.journal),)
                return acts + self._deliver(now)
            case Step.SWITCHING:
                self._phase = _Phase.HOLDING
                self._tries = {who: _Tries() for who, _ in self._targets(Delivery.PENDING)}
                self._faded_at = now
                return (Hold(),)
            case Step.SWITCHED:
                self._phase = _Phase.FOLLOWING
                return (Follow(),)
            case Step.CONFIRMING:
                return self._confirm(now)
            case Step.ENDED:
                return self._finish(Outcome.ROTATED)

    def _deliver(self, now: float) -> Acts:
        self._phase = _Phase.DELIVERING
        self._tries = {who: _Tries() for who, _ in self._targets(Delivery.PENDING)}
        self._faded_at = math.inf if self.journal.by_broadcast else now
        if self.journal.by_broadcast:
            return (Broadcast(key=self.journal.next.key),)
        return self._pump(now)

    def _awaited(self) -> Iterator[Identity]:
        """Who is to have the next key before the switch: whoever the dry run expects, the others for one try."""
        for who, target in self._targets(Delivery.PENDING):
            tries = self._tries.get(who)
            if target.waited or tries is None or not tries.count:
                yield who

    def _told(self, target: Target) -> bool:
        """Whether it was told with everybody; what it is sent by itself makes sure."""
        return self.journal.by_broadcast and not target.alone

    def _order_switch(self, state: KeyState, now: float) -> Acts:
        if not self.journal.by_broadcast and not self._ordered and not any(self._staying(Delivery.SENT)):
            return self._finish(Outcome.ABANDONED, "No device has taken the next key.")
        if state.next_sequence != self.journal.next.sequence:
            return self._stage_again(now)
        self._phase = _Phase.SWITCHING
        if self._ordered:
            return (Switch(),)
        self._change(step=Step.SWITCHING)
        return (Write(journal=self.journal), Switch())

    def _stage_again(self, now: float) -> Acts:
        """The radio does not hold the next key, or no longer: it is sent again, to one device at least."""
        acts: Acts = () if self._ordered else (Release(),)
        likely = (self._staying(one) for one in (Delivery.SENT, Delivery.MISSED, Delivery.PENDING))
        anybody = next(itertools.chain.from_iterable(likely), None)
        if self._staged_again or (anybody is None and not self.journal.by_broadcast):
            return (*acts, Pause(reason="The radio does not keep the next key that it was given."))
        self._staged_again = True
        # What was sent before is no longer told by the tries.
        self._whole = False
        if anybody is not None and not self.journal.by_broadcast:
            acts += self._set([anybody], Delivery.PENDING)
        return acts + self._deliver(now)

    # Switching

    def _moved_to(self, place: int) -> Acts:
        """The radio uses that key of the chain: every switch up to it has happened."""
        targets = {
            who: msgspec.structs.replace(target, delivery=Delivery.MISSED)
            if target.delivery is Delivery.PENDING
            else target
            for who, target in self.journal.targets.items()
        }
        self._change(round=place, step=Step.SWITCHED, targets=targets)
        self._phase = _Phase.FOLLOWING
        return (Write(journal=self.journal), Release(), Follow())

    def _disagree(self, place: int | None) -> Acts:
        self._phase = _Phase.OVER
        self.wake_at = None
        if place is None:
            reason = "The radio uses a key that is neither the old nor a new one of this rotation."
        elif place < self.journal.settled:
            reason = "The radio uses a key from before a switch that it had confirmed."
        else:
            reason = "The radio uses a key of this rotation, under a sequence number that is not that key's."
        return (Stop(reason=reason, repair=_REPAIR),)

    # Confirming

    def _confirm(self, now: float) -> Acts:
        self._phase = _Phase.CONFIRMING
        unheard = (Delivery.PENDING, Delivery.SENT)
        out = self._set([who for who, _ in self._targets(*unheard) if who in self._out], Delivery.MISSED)
        self._tries = {who: _Tries() for who in self._staying(*unheard, Delivery.MISSED)}
        return out + self._pump(now)

    def _finish(self, outcome: Outcome, reason: str = "") -> Acts:
        self._phase = _Phase.OVER
        self.wake_at = None
        if outcome is Outcome.ROTATED:
            self._change(step=Step.ENDED)
        return (Release(), Finish(journal=self.journal, outcome=outcome, reason=reason))

    # Who is next

    def _pump(self, now: float) -> Acts:
        """Begin what can be begun now; say when to look again."""
        self.wake_at = None
        if self._phase is _Phase.DELIVERING:
            return self._pump_delivery(now)
        if self._phase is _Phase.CONFIRMING:
            return self._pump_confirming(now)
        return ()

    def _pump_delivery(self, now: float) -> Acts:
        late = now >= self._deadline
        busy = any(tries.busy for tries in self._tries.values())
        if now >= self._faded_at and not busy and (late or not any(self._awaited())):
            told = [who for who, target in self._targets(Delivery.PENDING) if self._told(target)]
            self._phase = _Phase.HOLDING
            return (*self._set(told, Delivery.SENT), Hold())
        if late:
            self.wake_at = self._faded_at if now < self._faded_at < math.inf else None
            return ()
        if self.journal.by_broadcast and math.isinf(self._faded_at):
            return ()  # Not broadcast yet.
        waiting = [who for who, _ in self._targets(Delivery.PENDING)]
        key = self.journal.next.key
        acts = self._begin(waiting, now, lambda who: Send(device=who, key=key))
        self._wake(waiting, now, self._faded_at)
        return acts

    def _pump_confirming(self, now: float) -> Acts:
        waiting = [who for who, _ in self._targets(Delivery.PENDING, Delivery.SENT)]
        # Who was given up may have the key all the same: it is asked once, and whenever it is heard.
        waiting += [
            who
            for who in self._staying(Delivery.MISSED)
            if not self._tries[who].count or self._tries[who].heard
        ]
        busy = any(tries.busy for tries in self._tries.values())
        if now >= self._deadline:
            missed = self._set(
                [who for who, _ in self._targets(Delivery.PENDING, Delivery.SENT)], Delivery.MISSED
            )
            return missed if busy else missed + self._finish(Outcome.ROTATED)
        if not waiting and not busy:
            return self._finish(Outcome.ROTATED)
        acts = self._begin(waiting, now, lambda who: Ask(device=who))
        self._wake(waiting, now, self._deadline)
        return acts

    def _begin(self, waiting: list[Identity], now: float, act: Callable[[Identity], Act]) -> Acts:
        targets = self.journal.targets
        due = [who for who in waiting if not self._tries[who].busy and self._tries[who].next <= now]
        # Who is awake now may not be soon.
        due.sort(key=lambda who: (not self._tries[who].heard, self._tries[who].last))
        chosen: list[Identity] = []
        for sleepy, most in ((False, self._pace.at_once), (True, self._pace.asleep_at_once)):
            busy = sum(one.busy and targets[who].sleepy is sleepy for who, one in self._tries.items())
            chosen += [who for who in due if targets[who].sleepy is sleepy][: max(most - busy, 0)]
        for who in chosen:
            self._tries[who].busy = True
        return tuple(act(who) for who in chosen)

    def _wake(self, waiting: list[Identity], now: float, last: float) -> None:
        """The next moment at which something may begin that is not begun by an answer."""
        moments = [self._tries[who].next for who in waiting if not self._tries[who].busy]
        moments += [self._deadline, last]
        coming = [moment for moment in moments if moment > now and not math.isinf(moment)]
        self.wake_at = min(coming, default=None)

    # The journal

    def _targets(self, *which: Delivery) -> Iterator[tuple[Identity, Target]]:
        return ((who, one) for who, one in self.journal.targets.items() if one.delivery in which)

    def _staying(self, *which: Delivery) -> Iterator[Identity]:
        """Those of them that are to be on the network."""
        return (who for who, _ in self._targets(*which) if who not in self._out)

    @property
    def _ordered(self) -> bool:
        """Whether the order to switch may be out, and nobody knows yet whether it was followed."""
        return self.journal.step is Step.SWITCHING

    def _set(self, devices: list[Identity], delivery: Delivery) -> Acts:
        """Write down how far it is with these devices."""
        if not devices:
            return ()
        targets = dict(self.journal.targets)
        for device in devices:
            targets[device] = msgspec.structs.replace(targets[device], delivery=delivery)
        self._change(targets=targets)
        return (Write(journal=self.journal),)

    def _change(self, **fields: object) -> None:
        self.journal = msgspec.structs.replace(self.journal, **fields)

    def _renew_deadline(self, now: float) -> None:
        self._deadline = now + self.journal.patience
        self._change(deadline=self._deadline + self._offset)

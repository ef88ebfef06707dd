"""What a re-inclusion does when. No I/O, no clock, no randomness: what happened goes in, what to do comes out.

The rules
1. The new keys are drawn once, before this begins, and are in the journal. They are never drawn again for the same
   re-inclusion, whatever breaks: there may be devices that have them.
2. A :class:`Write` comes before whatever it names; who carries outputs out goes on to the next one only when it is
   durable. So the journal is never behind the world: a device that it calls pending has not been touched.
3. `restarting` is written before the server is told the new keys for the first time. Found in the journal after a
   crash, the server is told them again. Every device that had keys is held from then on.
4. No device is replaced before one has shown which keys the server has. For the new ones speaks a pending witness that
   can't read what it is asked, and a done device that answers; for the old ones a pending witness that answers, and a
   done device that can't read it. A witness is who could read it before the first restart, or could not since then
   while the server was proved; who was begun with is none. Whoever is neither may have either keys, and says nothing;
   that it answers speaks for the new ones only where the server was restarted since it was last proved.
5. Where one speaks for the old keys, or nobody says anything although it had been proved before, the server is
   restarted on the same keys: :data:`MOST_RESTARTS` times at most, then it stands still, and says so. Where there is
   nobody left who could say anything, that restart's word counts.
6. One place is open at a time. `replacing` is written when the device has fallen silent, before its place is opened.
   What does not come to an end (the window, a wrong device, a lost connection) is found out by asking whoever is
   there.
7. A device is done by its verdict alone: an answer that it could give under the new keys only. Until then it is held.
   One that can't read what it is asked is pending again: it has the old keys. One that is silent is asked again; one
   that was given keys and is absent, :data:`MOST_ABSENT` times on end, is pending again, for it may have been reset
   once more. One that came while nobody looked is recognized first, so that it is known who has its place.
8. A device whose place is gone is missing: it can't come back in place.
9. A pause ends what waits for a person, nothing else: who was given keys gets its verdict. It outlasts a crash.
10. It ends when each device is done or missing; :meth:`Machine.finish` calls missing whoever is not done. After that
    who is missing is held, until it answers under the server's keys, or is admitted anew.
11. What is lost with the connection is asked anew when it is back, beginning with rule 4.

Sources: docs/adr/0009; replacing a failed node is in INS12350, "ZW_ReplaceFailedNode"; bootstrapping in the Z-Wave
Network Layer Specification, S2.
"""

from __future__ import annotations

from collections import Counter
from typing import Final

import msgspec

from hubsec.identity import Identity
from hubsec.reinclusion.journal import Journal, Row
from hubsec.reinclusion.shapes import Manner, Phase, Proof, Stage

MOST_RESTARTS: Final = 3
"""Judgement: a restart that failed twice on the same keys is a person's."""
MOST_ABSENT: Final = 10
"""Judgement: with a pause of 5 s and the tries that a controller makes, two minutes. A device whose power was lost is
back within seconds."""
OVER: Final = frozenset({Phase.DONE, Phase.MISSING})

_WITNESSES_WANTED: Final = (
    "No device answers that would show which keys the server has: switch one on that is on the network."
)
_OLD_KEYS: Final = (
    "The server is still on the old keys after every restart: {name} answers under keys that it was not given since. "
    "See that its settings are those that it was given, then resume."
)
_ABSENT: Final = "It was given its keys, and is not there since: it is off, or was reset once more."
_PLACE_GONE: Final = (
    "Its place on the network is gone, so it can't come back in place: admit it by its sticker."
)


class Write(msgspec.Struct, frozen=True):
    """Make the journal durable, then go on."""

    journal: Journal


class Restart(msgspec.Struct, frozen=True):
    """Have the server restarted on the journal's keys; the answer is :meth:`Machine.restarted` or
    :meth:`Machine.restart_failed`."""


class Ask(msgspec.Struct, frozen=True):
    """Ask whoever is at that device's place under the server's keys, `later` after a pause; the answer is
    :meth:`Machine.answered`."""

    device: Identity
    later: bool = False


class Watch(msgspec.Struct, frozen=True):
    """Wait for the device to fall silent, as one does that was reset; the answer is :meth:`Machine.fell_silent` or
    :meth:`Machine.place_gone`. A person is told what to do."""

    device: Identity


class Open(msgspec.Struct, frozen=True):
    """Hold the device's place open for it alone; the answer is :meth:`Machine.joined` or :meth:`Machine.failed`."""

    device: Identity


class Stop(msgspec.Struct, frozen=True):
    """End what waits for a person: the last :class:`Watch` or :class:`Open`. An end that comes all the same is
    heard."""


class Recognize(msgspec.Struct, frozen=True):
    """The device has the new keys, and it was not seen that it came (rule 7): see to it that it is known to be that."""

    device: Identity


class Tell(msgspec.Struct, frozen=True):
    """The device has its verdict."""

    device: Identity


class End(msgspec.Struct, frozen=True):
    """It is over."""


type Output = Write | Restart | Ask | Watch | Open | Stop | Recognize | Tell | End


class Machine:
    """One re-inclusion, from a journal: a new one, or what a crash has left of one.

    `current` is the device that a person is waited for, `standstill` why nothing goes on. Every input returns what is
    to be done because of it, in this order."""

    def __init__(self, journal: Journal) -> None:
        self.journal = journal
        self.current: Identity | None = None
        self.standstill: str | None = None
        self._restarts = 0
        self._connected = True
        self._proved = False
        self._asked: dict[Identity, Proof | None] = {}
        self._awaited: set[Identity] = set()
        self._absent: Counter[Identity] = Counter()
        self._skipped: list[Identity] = []
        self._opened = False
        self._restarting = False
        self._stuck = False

    # What holds

    @property
    def held(self) -> dict[Identity, Identity]:
        """Who is shut off now (rules 3, 7 and 10): each address that is, with its device."""
        return self.journal.held

    @property
    def is_over(self) -> bool:
        """Whether nothing is left to do."""
        return self.journal.stage is Stage.ENDED

    # Beginning, and after a crash

    def begin(self) -> list[Output]:
        """Go on from where the journal says that it stands."""
        stage = self.journal.stage
        if stage is Stage.ENDED:
            return [Ask(row.device) for row in self.journal.rows if row.phase is Phase.MISSING]
        if stage in (Stage.DRAWN, Stage.RESTARTING):
            return self._restart()
        return self._prove()

    def _restart(self) -> list[Output]:
        if self._restarts >= MOST_RESTARTS:
            return []
        self._restarts += 1
        self._restarting = True
        self._proved = False
        self._asked.clear()
        self._awaited.clear()
        # That it was proved before is to be remembered (rule 5).
        if self.journal.stage is Stage.INCLUDING:
            return [*self._stop(), Restart()]
        return [*self._stop(), self._write(stage=Stage.RESTARTING), Restart()]

    def restarted(self) -> list[Output]:
        """The server runs again, and the radio stands on it."""
        self._connected, self._restarting = True, False
        if self.is_over:
            return []
        if self.journal.stage is Stage.RESTARTING:
            return [self._write(stage=Stage.PROVING), *self._prove()]
        return self._prove()

    def restart_failed(self, reason: str) -> list[Output]:
        """It does not."""
        self._restarting = False
        self._stand_still(f"The server was not restarted: {reason}")
        return []

    def _stand_still(self, why: str) -> None:
        self.standstill, self._stuck = why, True
        self._asked.clear()

    # Which keys the server has (rules 4 and 5)

    def _prove(self) -> list[Output]:
        self._proved = False
        self._asked = {row.device: None for row in self.journal.rows if row.phase is not Phase.MISSING}
        if not self._asked:
            return self._go_on()
        return [Ask(device) for device in self._asked]

    def _witness(self, row: Row, proof: Proof | None) -> bool | None:
        """Whether that device's answer speaks for the new keys, or against; None: it says nothing."""
        if proof not in (Proof.KEYED, Proof.OTHER_KEYS):
            return None
        has_new = proof is Proof.KEYED
        if row.phase is Phase.PENDING and row.witness:
            return not has_new
        if row.phase is Phase.DONE:
            return has_new
        proved_before = self._restarts > 0 and self.journal.stage is Stage.INCLUDING
        return True if has_new and proved_before else None

    def _proving(self, device: Identity, proof: Proof) -> list[Output]:
        self._asked[device] = proof
        said = {row.device: self._witness(row, self._asked.get(row.device)) for row in self.journal.rows}
        against = next((one for one, speaks in said.items() if speaks is False), None)
        if against is not None:
            row = self.journal.row(against)
            outputs = self._restart()
            if not outputs and row is not None:
                self._stand_still(_OLD_KEYS.format(name=row.name))
            return outputs
        if any(proof is None for proof in self._asked.values()):
            return []
        proved_before = self.journal.stage is Stage.INCLUDING
        if True in said.values() or (proved_before and self._restarts and not self._has_witnesses()):
            self.standstill = None
            return self._has_proved()
        if proved_before and not self._restarts:
            return self._restart()
        self.standstill = _WITNESSES_WANTED
        silent = list(self._asked)
        self._asked = dict.fromkeys(silent)
        return [Ask(one, later=True) for one in silent]

    def _has_witnesses(self) -> bool:
        return any(
            row.phase is Phase.DONE or (row.phase is Phase.PENDING and row.witness)
            for row in self.journal.rows
        )

    def _has_proved(self) -> list[Output]:
        self._proved, self._restarts = True, 0
        answers, self._asked = self._asked, {}
        outputs: list[Output] = []
        if self.journal.stage is Stage.PROVING:
            outputs.append(self._write(stage=Stage.INCLUDING))
        for row in self.journal.rows:
            proof = answers.get(row.device)
            is_between = row.phase in (Phase.REPLACING, Phase.KEYED)
            if proof is not None and (is_between or (row.phase is Phase.PENDING and not row.witness)):
                outputs += self._verdict(row, proof)
        return outputs + self._go_on()

    # One device after the other (rules 6 to 8)

    def _go_on(self) -> list[Output]:
        """Take the next device up, where nobody is waited for; end where none is left."""
        if self.is_over or (not self._proved and any(row.phase not in OVER for row in self.journal.rows)):
            return []
        if all(row.phase in OVER for row in self.journal.rows):
            return self._end()
        if self.current is not None or self.journal.paused:
            return []
        waiting = [row.device for row in self.journal.rows if row.phase is Phase.PENDING]
        if not waiting:
            return []
        waiting.sort(key=lambda device: self._skipped.index(device) + 1 if device in self._skipped else 0)
        self.current = waiting[0]
        return [Watch(self.current)]

    def fell_silent(self, device: Identity) -> list[Output]:
        """The device that is waited for does not answer any more."""
        row = self.journal.row(device)
        if device != self.current or row is None or row.phase is not Phase.PENDING:
            return []
        self._opened = True
        return [self._mark(device, Phase.REPLACING, row.detail, witness=False), Open(device)]

    def place_gone(self, device: Identity) -> list[Output]:
        """The device's place is no longer on the network (rule 8)."""
        row = self.journal.row(device)
        if row is None or row.phase in OVER:
            return []
        outputs = self._stop() if device == self.current else []
        return [*outputs, self._mark(device, Phase.MISSING, _PLACE_GONE), *self._go_on()]

    def joined(self, device: Identity, place: Identity) -> list[Output]:
        """The device came into its place with keys, as the policy asks; by SmartStart, into another one."""
        row = self.journal.row(device)
        self._through(device)
        if row is None or row.phase is Phase.DONE:
            return []
        if row.phase is Phase.MISSING and self.is_over:
            self._awaited.add(device)
            return [self._mark(device, Phase.MISSING, place=place), Ask(device)]
        write = self._mark(device, Phase.KEYED, place=place)
        self._awaited.add(device)
        return [write, Ask(device), *self._go_on()]

    def failed(self, device: Identity, reason: str) -> list[Output]:
        """It did not, as far as is known."""
        row = self.journal.row(device)
        self._through(device)
        if row is None or row.phase is not Phase.REPLACING:
            return self._go_on()
        write = self._mark(device, Phase.REPLACING, reason)
        if row.manner is Manner.SMART_START:
            # Its place was struck off, so that nobody can be asked: it is still to come.
            return [write, *self._back(device)]
        self._awaited.add(device)
        return [write, Ask(device)]

    def _through(self, device: Identity) -> None:
        if device == self.current:
            self.current, self._opened = None, False

    def _back(self, device: Identity) -> list[Output]:
        row = self.journal.row(device)
        return [self._mark(device, Phase.PENDING, row.detail if row else ""), *self._go_on()]

    def answered(self, device: Identity, proof: Proof) -> list[Output]:
        """What came of an :class:`Ask`."""
        row = self.journal.row(device)
        if row is None:
            return []
        if self.is_over:
            if proof is Proof.KEYED and row.phase is Phase.MISSING:
                # It has the server's keys after all.
                return [*self._recognize(row), self._mark(device, Phase.DONE)]
            return [Ask(device, later=True)] if device in self._awaited and row.phase is Phase.MISSING else []
        if not self._proved:
            return self._proving(device, proof) if device in self._asked else []
        if device not in self._awaited or row.phase not in (Phase.REPLACING, Phase.KEYED):
            return []
        return self._verdict(row, proof) + self._go_on()

    def _verdict(self, row: Row, proof: Proof) -> list[Output]:
        """Rule 7."""
        device = row.device
        self._awaited.discard(device)
        self._absent[device] = self._absent[device] + 1 if proof is Proof.ABSENT else 0
        if proof is Proof.KEYED:
            return [*self._recognize(row), self._mark(device, Phase.DONE, ""), Tell(device)]
        if proof is Proof.OTHER_KEYS:
            return [self._mark(device, Phase.PENDING, row.detail, witness=True)]
        if row.phase is Phase.REPLACING:
            return [self._mark(device, Phase.PENDING, row.detail)]
        if row.phase is Phase.PENDING:
            return []
        if self._absent[device] >= MOST_ABSENT:
            self._absent[device] = 0
            return [self._mark(device, Phase.PENDING, _ABSENT)]
        self._awaited.add(device)
        return [Ask(device, later=True)]

    @staticmethod
    def _recognize(row: Row) -> list[Output]:
        return [] if row.phase is Phase.KEYED else [Recognize(row.device)]

    # What a person says (rules 9 and 10)

    def pause(self) -> list[Output]:
        """Wait for nobody from now on."""
        if self.is_over or self.journal.paused:
            return []
        return [self._write(paused=True), *self._stop()]

    def resume(self) -> list[Output]:
        """Go on, also after a standstill."""
        if self.is_over:
            return []
        outputs: list[Output] = [self._write(paused=False)] if self.journal.paused else []
        if self._stuck:
            self.standstill, self._stuck, self._restarts = None, False, 0
            return [*outputs, *self._restart()]
        return [*outputs, *self._go_on()]

    def skip(self, device: Identity) -> list[Output]:
        """Not that one now: it is taken up when the others are through."""
        row = self.journal.row(device)
        if row is None or row.phase in OVER:
            return []
        if device in self._skipped:
            self._skipped.remove(device)
        self._skipped.append(device)
        if device != self.current or self._opened:
            return []
        return [*self._stop(), *self._go_on()]

    def finish(self) -> list[Output]:
        """Give up whoever is not done."""
        if self.is_over:
            return []
        rows = tuple(
            row if row.phase in OVER else msgspec.structs.replace(row, phase=Phase.MISSING)
            for row in self.journal.rows
        )
        stop = self._stop()
        self.standstill = None
        self.journal = msgspec.structs.replace(self.journal, rows=rows)
        return [*stop, *self._end()]

    # The connection (rule 11)

    def lost(self) -> list[Output]:
        """There is no connection to the server, and no answer will come."""
        if not self._connected:
            return []
        self._connected = self._proved = False
        self._asked.clear()
        self._awaited.clear()
        return self._stop()

    def back(self) -> list[Output]:
        """There is one again."""
        if self._connected:
            return []
        self._connected = True
        if self._restarting or self._stuck:
            return []  # How the restart went is said by itself; who stands still waits for a person.
        return self.begin()

    # Inside

    def _stop(self) -> list[Output]:
        if self.current is None:
            return []
        # Where its place was open, what became of it is found out by asking: the end of it is heard as a failure.
        if not self._opened:
            self.current = None
        return [Stop()]

    def _end(self) -> list[Output]:
        self.current = None
        return [self._write(stage=Stage.ENDED), End()]

    def _write(self, *, stage: Stage | None = None, paused: bool | None = None) -> Write:
        self.journal = msgspec.structs.replace(
            self.journal,
            stage=self.journal.stage if stage is None else stage,
            paused=self.journal.paused if paused is None else paused,
        )
        return Write(self.journal)

    def _mark(
        self,
        device: Identity,
        phase: Phase,
        detail: str = "",
        *,
        place: Identity | None = None,
        witness: bool | None = None,
    ) -> Write:
        rows = tuple(
            msgspec.structs.replace(
                row,
                phase=phase,
                detail=detail,
                place=place or row.place,
                witness=row.witness if witness is None else witness,
            )
            if row.device == device
            else row
            for row in self.journal.rows
        )
        self.journal = msgspec.structs.replace(self.journal, rows=rows)
        return Write(self.journal)

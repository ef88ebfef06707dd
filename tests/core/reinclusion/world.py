"""A Z-Wave network in a few lines: who has which keys. The outputs of a machine are carried out on it, one at a time,
so that a test can stop anywhere."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from hubsec.identity import Identity, SecurityClass
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
from hubsec.reinclusion.shapes import Manner, Phase, Proof, Stage
from hubsec.secret import Secret

if TYPE_CHECKING:
    from collections.abc import Callable

OLD, NEW = "old", "new"
KEY = bytes(range(16))


def identity(number: int) -> Identity:
    return Identity(f"00000-00000-00000-00000-00000-00000-{number:05}")


def place(number: int) -> Identity:
    return Identity(f"c0ffee01:{number}")


def row(
    number: int, *, manner: Manner = Manner.IN_PLACE, witness: bool = True, phase: Phase = Phase.PENDING
) -> Row:
    return Row(
        device=identity(number),
        name=f"device {number}",
        place=place(number),
        manner=manner,
        least=SecurityClass.S2_AUTHENTICATED,
        sleepy=False,
        witness=witness,
        dsk=None if phase is Phase.MISSING else Secret(bytes(16)),
        phase=phase,
    )


def journal(*rows: Row) -> Journal:
    return Journal(
        reinclusion="reinclusion-1",
        radio="zwave-js",
        network_id="c0ffee01",
        by="operator",
        reason="",
        started_at=0.0,
        keys={"S2_Authenticated": Secret(KEY)},
        rows=rows,
    )


@dataclass
class Device:
    """`keys`: None once it was reset. `powered`: whether it answers at all."""

    keys: str | None = OLD
    powered: bool = True


@dataclass
class World:
    """`written` is what is durable. `restarts` says of each restart to come whether it fails (None), or which keys
    the server has after it; when there is no more to take, it has the new ones."""

    written: Journal
    devices: dict[Identity, Device]
    server: str = OLD
    restarts: deque[str | None] = field(default_factory=deque)
    replaced_on: list[str] = field(default_factory=list)
    told: list[Identity] = field(default_factory=list)
    recognized: list[Identity] = field(default_factory=list)
    outputs: list[Output] = field(default_factory=list)
    waits_for: Identity | None = None
    is_open: bool = False
    over: bool = False

    @classmethod
    def of(cls, *rows: Row) -> World:
        return cls(journal(*rows), {one.device: Device() for one in rows})

    def proof(self, device: Identity) -> Proof:
        found = self.devices[device]
        if not found.powered or found.keys is None:
            return Proof.SILENT
        return Proof.KEYED if found.keys == self.server else Proof.OTHER_KEYS

    def run(
        self, machine: Machine, outputs: list[Output], *, stop: Callable[[], bool] = lambda: False
    ) -> bool:
        """Carry out `outputs` and all that follows, until a person or time is waited for; False where `stop` said
        so."""
        queue = deque(outputs)
        while queue:
            if stop():
                return False
            output = queue.popleft()
            self.outputs.append(output)
            queue.extend(self._carry_out(machine, output))
        return True

    def _carry_out(self, machine: Machine, output: Output) -> list[Output]:
        match output:
            case Write(journal=journal):
                self.written = journal
            case Restart():
                assert self.written.stage is not Stage.DRAWN, "the server was told before the journal was"
                outcome = self.restarts.popleft() if self.restarts else NEW
                if outcome is None:
                    return machine.restart_failed("it did not come up.")
                self.server = outcome
                return machine.restarted()
            case Ask(device=device, later=later):
                if later:
                    return []
                return machine.answered(device, self.proof(device))
            case Watch(device=device):
                self.waits_for, self.is_open = device, False
            case Open(device=device):
                self.waits_for, self.is_open = device, True
                assert self.written.row(device).phase is Phase.REPLACING  # type: ignore[union-attr]
            case Stop():
                device, was_open = self.waits_for, self.is_open
                self.waits_for, self.is_open = None, False
                if device is not None and was_open:
                    return machine.failed(device, "It was stopped.")
            case Recognize(device=device):
                self.recognized.append(device)
            case Tell(device=device):
                self.told.append(device)
            case End():
                self.over = True
        return []

    def ask_again(self, machine: Machine) -> list[Output]:
        """What was put off is asked now."""
        outputs: list[Output] = []
        asked = {one.device for one in self.outputs if isinstance(one, Ask) and one.later}
        self.outputs.clear()
        for device in sorted(asked):
            outputs += machine.answered(device, self.proof(device))
        return outputs

    # What a person does

    def reset(self, machine: Machine) -> list[Output]:
        """Reset the device that is waited for."""
        device = self.waits_for
        if device is None or self.is_open:
            return []
        self.devices[device].keys = None
        self.devices[device].powered = True
        return machine.fell_silent(device)

    def press(self, machine: Machine) -> list[Output]:
        """Press the button of the device whose place is open."""
        device = self.waits_for
        if device is None or not self.is_open:
            return []
        self.replaced_on.append(self.server)
        self.devices[device].keys = self.server
        self.waits_for, self.is_open = None, False
        return machine.joined(device, place(int(device[-5:])))

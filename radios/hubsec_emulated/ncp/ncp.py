"""The co-processor: EZSP commands in, responses and callbacks out, over a coordinator and the non-volatile memory."""

from __future__ import annotations

import random
from collections import Counter, deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from hubsec_emulated.errors import FrameError
from hubsec_emulated.ncp.ezsp import (
    DEFAULT_VERSION,
    Codec,
    Command,
    InvalidCommand,
    InvalidFrameError,
    Status,
)
from hubsec_emulated.ncp.handlers.info import InfoCommands
from hubsec_emulated.ncp.handlers.keys import KeyCommands
from hubsec_emulated.ncp.handlers.messaging import MessagingCommands
from hubsec_emulated.ncp.handlers.network import NetworkCommands
from hubsec_emulated.ncp.handlers.rotation import RotationCommands
from hubsec_emulated.ncp.handlers.settings import SettingCommands
from hubsec_emulated.ncp.handlers.tables import TableCommands
from hubsec_emulated.ncp.handlers.token_store import TokenCommands
from hubsec_emulated.ncp.policies import JoinDecision, KeyStatus
from hubsec_emulated.ncp.port import CoordinatorPort, SimulatedClock
from hubsec_emulated.ncp.registry import Args, Handler
from hubsec_emulated.ncp.tokens import Tokens
from hubsec_emulated.ncp.trust_center import EmberTrustCenter
from hubsec_emulated.stack.interface import JoinIndication

STACK_TYPE = 2
"""Stack type of the version response: Zigbee mesh."""
MAX_LOG = 10_000
"""Commands that the record keeps, the oldest going first."""


@dataclass(frozen=True, slots=True)
class CommandRecord:
    """One command that the host gave: when (simulated seconds), its name and its decoded parameters."""

    at: float
    name: str
    args: Mapping[str, Any] = field(repr=False)


class Ncp:
    """One co-processor.

    *send* takes each EZSP frame for the host; set it before the first command. *on_command* is called with every
    command before it is carried out.
    """

    def __init__(
        self,
        coordinator: CoordinatorPort,
        tokens: Tokens,
        clock: SimulatedClock,
        *,
        version: int = DEFAULT_VERSION,
        seed: int = 0,
        key_table_capacity: int = 4,
    ) -> None:
        self.coordinator = coordinator
        self.tokens = tokens
        self.clock = clock
        self.codec = Codec.for_version(version)
        self.random = random.Random(seed)
        self.key_table_capacity = key_table_capacity
        self.send: Callable[[bytes], None] = _nobody
        self.on_command: Callable[[str, Args], None] = _ignore
        self.commands: deque[CommandRecord] = deque(maxlen=MAX_LOG)
        self.faults: Counter[str] = Counter()
        self.up = False
        self._sequence = 0
        self._negotiated = False
        self._pending: list[tuple[str, Mapping[str, Any]]] | None = None
        self.settings = SettingCommands(self)
        self.trust_center = EmberTrustCenter(
            coordinator,
            self,
            tokens=tokens,
            clock=clock,
            random_source=self.random,
            table_size=lambda: self.settings.key_table_size,
        )
        self.tables = TableCommands(self)
        self.info = InfoCommands(self)
        self.network = NetworkCommands(self)
        self.messaging = MessagingCommands(self)
        self._groups = (
            self.settings,
            self.tables,
            self.info,
            self.network,
            self.messaging,
            KeyCommands(self),
            RotationCommands(self),
            TokenCommands(self),
        )
        self._handlers: dict[str, Handler] = {"version": self._version}
        for group in self._groups:
            self._handlers.update(group.handlers())
        coordinator.connect(
            self.trust_center, self.messaging.deliver, self.messaging.route_record, self.tables.child_changed
        )

    # The host's side

    def handle_frame(self, frame: bytes) -> None:
        """Carry out one EZSP frame from the host. Never raises for what is in it: bad frames are counted."""
        try:
            command, handler = self._accept(frame)
        except InvalidFrameError as error:
            self.faults[error.reason.name] += 1
            if error.sequence is not None:
                self._sequence = error.sequence
                self.send(self.codec.encode_invalid(error.sequence, error.reason))
            return
        self._carry_out(command, handler)

    def _accept(self, frame: bytes) -> tuple[Command, Handler]:
        command = self.codec.decode_command(frame)
        if not (self._negotiated or command.name == "version"):
            raise InvalidFrameError("no version yet", InvalidCommand.VERSION_NOT_SET, command.sequence)
        handler = self._handlers.get(command.name)
        if handler is None:
            raise InvalidFrameError(command.name, InvalidCommand.INVALID_FRAME_ID, command.sequence)
        return command, handler

    def _carry_out(self, command: Command, handler: Handler) -> None:
        self.commands.append(CommandRecord(self.clock.now(), command.name, command.args))
        self.on_command(command.name, command.args)
        # What a command brings about is told after its response.
        self._pending = []
        try:
            response = self.codec.encode_response(command, handler(command.args) or {})
        except FrameError:
            self.faults["ENCODING"] += 1
            response = self.codec.encode_invalid(command.sequence, InvalidCommand.INVALID_VALUE)
        self._sequence = command.sequence
        self.send(response)
        self._negotiated = self._negotiated or not command.legacy
        pending, self._pending = self._pending, None
        for name, values in pending:
            self.callback(name, **values)

    def callback(self, name: str, **values: object) -> None:
        """Tell the host something; dropped before the version has been agreed on.

        It carries the last answered sequence: hosts match responses by sequence alone, and one that is under way
        would be taken for answered.
        """
        if self._pending is not None:
            self._pending.append((name, values))
        elif self._negotiated:
            self.send(self.codec.encode_callback(self._sequence, name, values))

    def _version(self, _args: Args) -> Args:
        major, minor, patch, special = self.info.release
        return {
            "protocol": self.codec.version,
            "stack_type": STACK_TYPE,
            "stack_version": major << 12 | minor << 8 | patch << 4 | special,
        }

    # Life

    def power_off(self) -> None:
        """Lose everything that is in RAM; the radio falls silent."""
        was_up = self.up
        self.network.halt()
        if was_up:
            self.tokens.reserve_counters()
        self.tokens.boot_count += 1
        self.tokens.save()
        self._negotiated = False
        self._pending = None
        self.trust_center.reset()
        for group in self._groups:
            group.reset()

    # TrustCenterObserver

    def trust_center_join(self, join: JoinIndication, decision: JoinDecision) -> None:
        """Tell the host who came or went."""
        self.callback(
            "trustCenterJoinHandler",
            node=join.short,
            eui64=join.eui64,
            update=join.status,
            decision=decision,
            parent=join.parent,
        )

    def key_establishment(self, eui64: int, status: KeyStatus) -> None:
        """Tell the host about a link key exchange."""
        self.callback("zigbeeKeyEstablishmentHandler", eui64=eui64, status=status)

    def stack_status(self, status: Status) -> None:
        """Tell the host about the network."""
        self.callback("stackStatusHandler", status=status)


def _nobody(frame: bytes) -> None:
    """No host is there to hear it."""


def _ignore(name: str, args: Args) -> None:
    """Nobody wants to know."""

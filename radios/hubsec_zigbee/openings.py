"""What others ask to be opened: the host application, and nodes on the air.

Whoever asks is judged. An Allow is a grant for the seconds that were asked for; what is granted is still
hubsec's to carry out: a permit lets devices be heard, and each of them is judged when it comes. Closing is no
question.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Final

from hubsec.buckets import Bucket
from hubsec.decisions import Allow
from hubsec.errors import RadioError, Refused
from hubsec.events import OpenRefused, RogueOpening, Steered
from hubsec.identity import Identity
from hubsec.requests import OpenKind, OpenRequest
from hubsec_zigbee.desk import LOGGER, Desk

HOST: Final = "host"
PAIRING_SLACK: Final = 10.0
"""Seconds after a Green Power window in which its last pairing may still go out (zigpy pairs after an exchange
of messages)."""
ROGUE_PAUSE: Final = 1.0
"""Seconds in which one node's opening is told and closed once: it is broadcast up to three times in about a second."""
ROGUES_AT_ONCE: Final = 8
ROGUES_PER_SECOND: Final = 0.2
"""Openings that are answered: each one is written to disk and answered by two broadcasts, and a network carries few of
those (EmberZNet's broadcast table has 15 places, each taken for 9 s)."""
MAX_ROGUES: Final = 64
STEERING: Final = 180
"""Seconds that a Zigbee 3.0 router opens for when it steers (bdbcMinCommissioningTime; Base Device Behavior 8.2)."""
STEERING_AFTER: Final = 60.0
"""Seconds of the radio's time after its join in which a device's one opening is taken for its steering: its key
exchange takes 10 s at the most, as measured on EmberZNet, and it steers after that."""
MAX_NEWCOMERS: Final = 64
ASKING_TAKES: Final = 5.0
"""Seconds between the commands that make up one opening of the host."""
RAW_COMMAND: Final = "raw-command"


class Openings:
    """`close_again` makes the network as it ought to be after a node opened it."""

    def __init__(self, desk: Desk, close_again: Callable[[], Awaitable[None]]) -> None:
        self._desk = desk
        self._close_again = close_again
        self._granted: dict[tuple[OpenKind, Identity | None], float] = {}
        self._rogues: dict[int, float] = {}
        self._told = Bucket(ROGUES_AT_ONCE, ROGUES_PER_SECOND)
        self._newcomers: dict[Identity, float] = {}

    def granted(self, kind: OpenKind, device: Identity | None = None, *, slack: float = 0.0) -> bool:
        """Whether somebody was allowed this, for `device` where it is for one, and its time is not over."""
        return self._granted.get((kind, device), float("-inf")) + slack > self._desk.now()

    def withdraw(self) -> None:
        """Nothing is granted any more."""
        self._granted.clear()

    async def ask(self, kind: OpenKind, seconds: int, device: Identity | None = None) -> bool:
        """The host wants to open. Whether it may; raises :class:`~hubsec.errors.Refused` where it may not and
        that is enforced."""
        until = self._desk.now() + seconds
        if self._granted.get((kind, device), float("-inf")) + ASKING_TAKES > until:
            return True  # The same opening, by the next of its commands.
        request = OpenRequest(
            radio=self._desk.name,
            network=self._desk.network,
            kind=kind,
            asker=HOST,
            seconds=seconds,
            device=device,
        )
        decision = await self._desk.judge(request)
        if isinstance(decision, Allow):
            self._granted[kind, device] = until
            return True
        self.say_refused(kind, decision.reason, decision.rule, device)
        if self._desk.enforcing:
            raise Refused(decision.reason, rule=decision.rule)
        return False

    def say_refused(self, kind: OpenKind, reason: str, rule: str, device: Identity | None = None) -> None:
        """Tell that the host was refused, or would have been."""
        self._desk.publish(
            OpenRefused,
            device=device,
            kind=kind,
            asker=HOST,
            reason=reason,
            rule=rule,
            enforced=self._desk.enforcing,
        )

    def came(self, device: Identity) -> None:
        """`device` has just joined: what it does next may be its steering (Base Device Behavior 8.2)."""
        if len(self._newcomers) >= MAX_NEWCOMERS:
            self._newcomers.pop(next(iter(self._newcomers)))
        self._newcomers[device] = self._desk.now() + STEERING_AFTER / self._desk.limits.time_scale

    def opened(self, device: Identity | None, short: int, seconds: int) -> None:
        """A node told the routers to open."""
        now = self._desk.now()
        if self._rogues.get(short, float("-inf")) + ROGUE_PAUSE > now:
            return
        self._rogues = {node: at for node, at in self._rogues.items() if at + ROGUE_PAUSE > now}
        if len(self._rogues) >= MAX_ROGUES or not self._told.take(now):
            return  # Whoever makes up addresses: the trust center refuses all the same, and the rest is closed with it.
        self._rogues[short] = now
        steers = (
            device is not None and self._newcomers.pop(device, float("-inf")) > now and seconds <= STEERING
        )
        kind = Steered if steers else RogueOpening
        self._desk.spawn(self._answer(kind, device, short, seconds), f"opening by 0x{short:04x}")

    async def _answer(
        self, kind: type[Steered | RogueOpening], device: Identity | None, short: int, seconds: int
    ) -> None:
        request = OpenRequest(
            radio=self._desk.name,
            network=self._desk.network,
            kind=OpenKind.PERMIT,
            asker=device if device is not None else f"0x{short:04x}",
            seconds=seconds,
        )
        decision = await self._desk.judge(request)
        closed = False
        if not isinstance(decision, Allow) and self._desk.enforcing:
            try:
                await self._close_again()
                closed = True
            except RadioError as error:
                LOGGER.warning("%s: the routers could not be told to close: %s", self._desk.name, error)
        self._desk.publish(kind, device=device, seconds=seconds, closed=closed)

"""What others ask to be opened: the host application, and nodes on the air.

Whoever asks is judged. An Allow is a grant for the seconds that were asked for; what is granted is still
hubsec's to carry out: a permit lets devices be heard, and each of them is judged when it comes. Closing is no
question.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Final

from hubsec.decisions import Allow
from hubsec.errors import Refused
from hubsec.events import OpenRefused, RogueOpening
from hubsec.identity import Identity
from hubsec.requests import OpenKind, OpenRequest
from hubsec_zigbee.desk import Desk

HOST: Final = "host"
PAIRING_SLACK: Final = 10.0
"""Seconds after a Green Power window in which its last pairing may still go out (zigpy pairs after an exchange
of messages)."""
ROGUE_PAUSE: Final = 1.0
"""Seconds in which one node's opening is told and closed once: it is broadcast up to three times in about a second."""
RAW_COMMAND: Final = "raw-command"


class Openings:
    """`close_again` makes the network as it ought to be after a node opened it."""

    def __init__(self, desk: Desk, close_again: Callable[[], Awaitable[None]]) -> None:
        self._desk = desk
        self._close_again = close_again
        self._granted: dict[OpenKind, float] = {}
        self._rogues: dict[int, float] = {}

    def granted(self, kind: OpenKind, *, slack: float = 0.0) -> bool:
        """Whether somebody was allowed this, and its time is not over."""
        return self._granted.get(kind, float("-inf")) + slack > self._desk.now()

    def withdraw(self) -> None:
        """Nothing is granted any more."""
        self._granted.clear()

    async def ask(self, kind: OpenKind, seconds: int, device: Identity | None = None) -> bool:
        """The host wants to open. Whether it may; raises :class:`~hubsec.errors.Refused` where it may not and
        that is enforced."""
        if self.granted(kind):
            return True
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
            self._granted[kind] = self._desk.now() + seconds
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

    def rogue(self, device: Identity | None, short: int, seconds: int) -> None:
        """A node told the routers to open."""
        now = self._desk.now()
        if self._rogues.get(short, float("-inf")) + ROGUE_PAUSE > now:
            return
        self._rogues = {node: at for node, at in self._rogues.items() if at + ROGUE_PAUSE > now}
        self._rogues[short] = now
        self._desk.spawn(self._answer_rogue(device, short, seconds), f"opening by 0x{short:04x}")

    async def _answer_rogue(self, device: Identity | None, short: int, seconds: int) -> None:
        request = OpenRequest(
            radio=self._desk.name,
            network=self._desk.network,
            kind=OpenKind.PERMIT,
            asker=device if device is not None else f"0x{short:04x}",
            seconds=seconds,
        )
        decision = await self._desk.judge(request)
        closes = not isinstance(decision, Allow) and self._desk.enforcing
        if closes:
            await self._close_again()
        self._desk.publish(RogueOpening, device=device, seconds=seconds, closed=closes)

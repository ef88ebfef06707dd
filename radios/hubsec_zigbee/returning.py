"""Devices that come back with the network key, and devices that go.

A secured rejoin is judged afterwards: the device holds the key already. The host hears of it at once where the
device stands well, else after an Allow. That a device left is told on the word of a frame, and changes nothing else.
"""

from __future__ import annotations

from typing import Any, Final, Protocol, assert_never

from hubsec.buckets import Bucket
from hubsec.decisions import Allow, Decision, Deny, Evict, Knock, Quarantine
from hubsec.errors import RadioError
from hubsec.events import Left, Rejoined
from hubsec.identity import Identity, Standing
from hubsec.requests import JoinKind, JoinRequest
from hubsec_zigbee.desk import Desk
from hubsec_zigbee.frames import names_nobody
from hubsec_zigbee.limits import REJOINS_AT_ONCE, REJOINS_PER_SECOND
from hubsec_zigbee.ncp import Ncp
from hubsec_zigbee.receiving import ReceivePath
from hubsec_zigbee.roster import COORDINATOR, Roster

JOIN_HANDLER: Final = "trustCenterJoinHandler"


class Host(Protocol):
    """What joining needs of the rest of the guard."""

    @property
    def defers(self) -> bool:
        """Whether the firmware can leave a join undecided."""

    def deliver(self, name: str, args: Any) -> None:
        """Hand a callback to the host application."""

    async def sent_nothing(self, device: Identity) -> bool:
        """Whether `device`, which asked for the key that it lost, can't have been sent it."""

    def came(self, device: Identity) -> None:
        """`device` has joined just now."""

    async def reconcile(self) -> None:
        """Bring the trust center to what is wished for now."""

    async def put_out(self, device: Identity, decision: Decision, correlation: str) -> None:
        """Evict `device`, and say so."""

    def stack_revision(self, device: Identity) -> int | None:
        """From its node descriptor, None while that is not there."""

    def stop_interview(self, device: Identity) -> None:
        """The host is to leave it alone."""

    def knows(self, device: Identity) -> bool:
        """Whether the host has it."""


class Teller(Protocol):
    """Who tells of decisions about joins."""

    def denied(self, decision: Decision, request: JoinRequest) -> None:
        """A device got nothing."""

    def shut_off(self, device: Identity, decision: Decision, correlation: str = "") -> None:
        """A device was quarantined, or would have been."""


class Returning:
    """See the module."""

    def __init__(
        self, desk: Desk, ncp: Ncp, roster: Roster, receiving: ReceivePath, host: Host, joining: Teller
    ) -> None:
        self._desk = desk
        self._ncp = ncp
        self._roster = roster
        self._host = host
        self._joining = joining
        self._receiving = receiving
        self._judging = Bucket(REJOINS_AT_ONCE, REJOINS_PER_SECOND)

    async def parent(self, short: int) -> Identity | None:
        """Who the parent at `short` is; None for the coordinator, and for somebody whom nobody knows."""
        if short == COORDINATOR:
            return None
        known = self._roster.by_short.get(short)
        if known is None:
            try:
                known = await self._ncp.identity_at(short)
            except RadioError:
                return None
            if known is not None and not names_nobody(known):
                self._roster.learn(known, short)
        return known

    def came_back(self, device: Identity, short: int, parent: int, args: Any) -> bool:
        """It holds the network key; whether the host may hear of it before it is judged."""
        if not self._roster.claim(device, short, self._receiving.is_shut, parent=parent):
            self._desk.malformed("ezsp", f"{JOIN_HANDLER}: a rejoin at a shut-off device's address", device)
            return not self._desk.enforcing
        told = self._may_be_told(device)
        if not self._judging.take(self._desk.now()):
            return told  # A flood of them; how the device stands does not hang on it.
        self._desk.spawn(self._judge(device, parent, args, told=told), f"judge {device}, which came back")
        return told

    def _may_be_told(self, device: Identity) -> bool:
        known = self._desk.standing(device) in (Standing.APPROVED, Standing.ADOPTED)
        return known or not self._desk.enforcing

    async def _judge(self, device: Identity, parent: int, args: Any, *, told: bool) -> None:
        through = await self.parent(parent)
        request = JoinRequest(
            radio=self._desk.name,
            network=self._desk.network,
            device=device,
            kind=JoinKind.SECURED_REJOIN,
            parent=through,
            through_router=parent != COORDINATOR,
        )
        decision = await self._desk.judge(request)
        match decision:
            case Allow():
                if not told:
                    self._host.deliver(JOIN_HANDLER, args)
                self._desk.publish(Rejoined, device=device, kind=request.kind, parent=through)
            case Quarantine():
                self._joining.shut_off(device, decision)
            case Evict():
                await self._host.put_out(device, decision, "")
            case Deny() | Knock():
                self._joining.denied(decision, request)
            case _:
                assert_never(decision)

    def left(self, device: Identity) -> bool:
        """It says so, or its parent does; whether the host may hear of it."""
        if self._roster.place(device) is None and not self._host.knows(device):
            return not self._desk.enforcing  # A stranger that got no key and went: it was never here.
        self._desk.publish(Left, device=device)
        return self._desk.standing(device) is not Standing.QUARANTINED or not self._desk.enforcing

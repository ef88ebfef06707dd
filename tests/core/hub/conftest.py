"""A radio without air: it does what it is told and says what the test lets it see."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import pytest

from hubsec import Hub, Network, RadioError
from hubsec.decisions import Allow, Decision, Deny, Evict, Knock
from hubsec.errors import StoreError
from hubsec.events import Denied, Event, Evicted, Joined, KeySent, Knocked
from hubsec.identity import CredentialKind, Identity, Mark
from hubsec.radio import (
    AdmissionOrder,
    Authority,
    Capabilities,
    Capability,
    Eviction,
    RadioPosture,
    SeenDevice,
    Support,
)
from hubsec.requests import ExchangeRequest, JoinKind, JoinRequest, LinkKeyState

YES = Capability(support=Support.YES)
LAMP = Identity("00:12:4b:00:00:00:00:01")
STRANGER = Identity("00:12:4b:00:00:00:00:99")


class FakeRadio:
    """Holds orders, asks its authority, and publishes what a radio publishes."""

    name = "fake"
    network = Network.ZIGBEE
    capabilities = Capabilities(
        library="fake",
        enforced=True,
        link_key_join=YES,
        refuse_default_key=YES,
        deferred_approval=YES,
        rotation=YES,
        forced_remove=YES,
        key_table_read=YES,
    )

    def __init__(self, *, formed: bool = True, seen: Sequence[SeenDevice] = ()) -> None:
        self.formed = formed
        self.seen = tuple(seen)
        self.orders: dict[str, AdmissionOrder] = {}
        self.withdrawn: list[str] = []
        self.listening = 0.0
        self.closed = False
        self.fails = False
        self.keys_out: list[Identity] = []
        self.authority: Authority | None = None

    async def open(self, authority: Authority) -> None:
        self.authority = authority
        if self.fails:
            raise RadioError("The stick is not there.")

    async def close(self) -> None:
        self.closed = True

    async def admit(self, order: AdmissionOrder) -> None:
        if self.fails:
            raise RadioError("The stick does not answer.")
        self.orders[order.admission] = order

    async def withdraw(self, admission: str, reason: str) -> None:
        if self.orders.pop(admission, None) is not None:
            self.withdrawn.append(admission)

    async def listen(self, seconds: float, *, by: str) -> None:
        self.listening = seconds

    async def evict(self, device: Identity) -> Eviction:
        return Eviction(confirmed=True, still_holds_network_key=True, detail="It left.")

    def devices(self) -> Sequence[SeenDevice]:
        return self.seen

    async def posture(self) -> RadioPosture:
        return RadioPosture(
            network=self.network,
            network_id="00124b00000000aa",
            formed=self.formed,
            running=True,
            closed=not self.orders,
            listening=self.listening > 0,
        )

    def tell(self, event: Event) -> None:
        assert self.authority is not None
        self.authority.publish(event)

    async def join(self, device: Identity) -> Decision:
        """`device` asks for the key, as an honest radio would handle it."""
        assert self.authority is not None
        order = next((o for o in self.orders.values() if o.device == device), None)
        correlation = order.admission if order else ""
        try:
            decision = await self.authority.judge(
                JoinRequest(radio=self.name, network=self.network, device=device, kind=JoinKind.JOIN)
            )
        except StoreError as error:
            decision = Deny("store", str(error))
        now = self.authority.now()
        match decision:
            case Allow() if order is not None:
                self.keys_out.append(device)
                self.tell(
                    KeySent(
                        time=now,
                        radio=self.name,
                        device=device,
                        correlation=correlation,
                        rule=decision.rule,
                        reason=decision.reason,
                        credential=order.credential,
                        exposed=Mark.EXPOSED in decision.marks,
                    )
                )
            case Knock():
                self.tell(Knocked(time=now, radio=self.name, device=device, maker=None, parent=None))
            case _:
                self.tell(
                    Denied(
                        time=now,
                        radio=self.name,
                        device=device,
                        rule=decision.rule,
                        reason=decision.reason,
                        kind=JoinKind.JOIN,
                    )
                )
        return decision

    async def exchange(self, device: Identity, state: LinkKeyState = LinkKeyState.VERIFIED) -> Decision:
        """The link key exchange of `device` ends."""
        assert self.authority is not None
        order = next(o for o in self.orders.values() if o.device == device)
        decision = await self.authority.judge(
            ExchangeRequest(
                radio=self.name, network=self.network, device=device, link_key=state, stack_revision=22
            )
        )
        now = self.authority.now()
        if isinstance(decision, Evict):
            self.tell(
                Evicted(
                    time=now,
                    radio=self.name,
                    device=device,
                    correlation=order.admission,
                    reason=decision.reason,
                    confirmed=True,
                    still_holds_network_key=True,
                )
            )
        elif isinstance(decision, Allow):
            self.tell(
                Joined(
                    time=now,
                    radio=self.name,
                    device=device,
                    correlation=order.admission,
                    name=order.name,
                    credential=order.credential or CredentialKind.INSTALL_CODE,
                    link_key=state,
                    marks=decision.marks,
                )
            )
        return decision


@pytest.fixture
def radio() -> FakeRadio:
    """A radio that has just formed its network."""
    return FakeRadio()


@pytest.fixture
async def hub(radio: FakeRadio, tmp_path: Path) -> AsyncIterator[Hub]:
    """A hub on that radio, under the ready policy `home`."""
    async with Hub(radio, policy="home", home=tmp_path / "hub") as hub:
        yield hub

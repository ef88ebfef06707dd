"""A radio without air: it does what it is told and says what the test lets it see."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from hubsec import Hub, Network
from hubsec.decisions import Allow, Decision, Deny, Evict, Knock
from hubsec.errors import StoreError
from hubsec.events import Denied, Event, Evicted, Joined, KeySent, Knocked
from hubsec.identity import Identity, Mark
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

    def __init__(
        self,
        *,
        name: str = "fake",
        network_id: str = "00124b00000000aa",
        formed: bool = True,
        seen: Sequence[SeenDevice] = (),
    ) -> None:
        self.name = name
        self.network_id = network_id
        self.formed = formed
        self.seen = tuple(seen)
        self.orders: dict[str, AdmissionOrder] = {}
        self.withdrawn: list[str] = []
        self.listening = 0.0
        self.closed = False
        self.raises: dict[str, Exception] = {}
        """What each method raises, by its name."""
        self.held: dict[str, asyncio.Event] = {}
        """What each method waits for, by its name, after it has done its work."""
        self.calls: list[str] = []
        self.keys_out: list[Identity] = []
        self.authority: Authority | None = None

    @property
    def asked(self) -> Authority:
        assert self.authority is not None
        return self.authority

    async def _called(self, method: str) -> None:
        self.calls.append(method)
        if method in self.raises:
            raise self.raises[method]
        if method in self.held:
            await self.held[method].wait()

    async def open(self, authority: Authority) -> None:
        self.authority = authority
        await self._called("open")

    async def close(self) -> None:
        self.closed = True
        await self._called("close")

    async def admit(self, order: AdmissionOrder) -> None:
        self.orders[order.admission] = order
        await self._called("admit")

    async def withdraw(self, admission: str, reason: str) -> None:
        await self._called("withdraw")
        if self.orders.pop(admission, None) is not None:
            self.withdrawn.append(admission)

    async def listen(self, seconds: float, *, by: str) -> None:
        self.listening = seconds
        await self._called("listen")

    async def evict(self, device: Identity) -> Eviction:
        await self._called("evict")
        return Eviction(confirmed=True, still_holds_network_key=True, detail="It left.")

    def devices(self) -> Sequence[SeenDevice]:
        if "devices" in self.raises:
            raise self.raises["devices"]
        return self.seen

    async def posture(self) -> RadioPosture:
        await self._called("posture")
        return RadioPosture(
            network=self.network,
            network_id=self.network_id,
            formed=self.formed,
            running=True,
            closed=not self.orders,
            listening=self.listening > 0,
        )

    def tell(self, event: Event) -> None:
        self.asked.publish(event)

    async def join(self, device: Identity) -> Decision:
        """`device` asks for the key, as an honest radio would handle it."""
        order = next((o for o in reversed(self.orders.values()) if o.device == device), None)
        correlation = order.admission if order else ""
        try:
            decision = await self.asked.judge(
                JoinRequest(radio=self.name, network=self.network, device=device, kind=JoinKind.JOIN)
            )
        except StoreError as error:
            decision = Deny("store", str(error))
        now = self.asked.now()
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
        order = next(o for o in reversed(self.orders.values()) if o.device == device)
        decision = await self.asked.judge(
            ExchangeRequest(
                radio=self.name, network=self.network, device=device, link_key=state, stack_revision=22
            )
        )
        now = self.asked.now()
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
                    credential=order.credential,
                    link_key=state,
                    marks=decision.marks,
                )
            )
        return decision


# Zigbee Base Device Behavior 3.0.1, 10.1: the specification's own example of an install code.
CODE = "83FED3407A939723A5C639B26916D505C3B5"
STICKER = f"Z:{LAMP.replace(':', '').upper()}$I:{CODE}"


def collect(hub: Hub) -> list[Event]:
    """Every event from now on."""
    events: list[Event] = []
    hub.on(Event, events.append)
    return events


async def let_in(hub: Hub, radio: FakeRadio, **how: Any) -> None:
    """The lamp joins by its sticker, exchange and all."""
    async with hub.admit(STICKER, name="Hall lamp", **how) as admission:
        assert isinstance(await radio.join(LAMP), Allow)
        await radio.exchange(LAMP)
        async with asyncio.timeout(20):
            await admission.joined()


@pytest.fixture
def radio() -> FakeRadio:
    """A radio that has just formed its network."""
    return FakeRadio()


@pytest.fixture
async def hub(radio: FakeRadio, tmp_path: Path) -> AsyncIterator[Hub]:
    """A hub on that radio, under the ready policy `home`."""
    async with Hub(radio, policy="home", home=tmp_path / "hub") as hub:
        yield hub

"""A Z-Wave radio without air, beside the Zigbee one of conftest.py: an honest one, as the guard of a real one is."""

from __future__ import annotations

from typing import Any

from hubsec import Hub, Network
from hubsec.decisions import Allow, Decision
from hubsec.events import Evicted, Joined, JoinFailed, KeySent, RemovalAwaited
from hubsec.identity import Identity, SecurityClass, zwave_address, zwave_identity
from hubsec.radio import AdmissionOrder, Eviction
from hubsec.requests import ExchangeRequest, IdentifyRequest, JoinKind, JoinRequest, PresenceRequest
from hubsec.secret import Secret
from tests.core.hub.conftest import FakeRadio
from tests.core.stickers.zwave_codes import DSK, PRINTED, TAIL, qr

HOME_ID = 0xC0FFEE01
LOCK = zwave_identity(TAIL)
LOCK_DSK = Secret(DSK)
STICKER = PRINTED
SMART_START = qr()
OTHER_DSK = Secret(bytes(range(1, 17)))
OTHER = Identity("00772-01286-01800-02314-02828-03342-03856")

NONE, S0, UNAUTHENTICATED, AUTHENTICATED, ACCESS_CONTROL = SecurityClass


def at(node: int, home_id: int = HOME_ID) -> Identity:
    """Where a node is."""
    return zwave_address(home_id, node)


class ZwaveRadio(FakeRadio):
    """`nodes` says who is where, as far as the radio itself knows: a node that has proved no DSK is its address."""

    network = Network.ZWAVE

    def __init__(self, *, name: str = "zwave", network_id: str = f"{HOME_ID:08x}", **fields: Any) -> None:
        super().__init__(name=name, network_id=network_id, **fields)
        self.leaving: dict[Identity, str] = {}

    async def admit(self, order: AdmissionOrder) -> None:
        if order.smart_start:
            decision = await self.asked.judge(self._join(order.device, JoinKind.SMART_START))
            assert isinstance(decision, Allow)
        await super().admit(order)

    async def evict(self, device: Identity) -> Eviction:
        await self._called("evict")
        self._to_leave(device, "It was told to leave.")
        return Eviction(
            confirmed=False, still_holds_network_key=True, detail="Press its button.", awaited=True
        )

    def _to_leave(self, device: Identity, reason: str) -> None:
        self.leaving[device] = reason
        self.tell(RemovalAwaited(time=self.asked.now(), radio=self.name, device=device, reason=reason))

    def _join(self, device: Identity, kind: JoinKind) -> JoinRequest:
        return JoinRequest(radio=self.name, network=self.network, device=device, kind=kind)

    def order(self, device: Identity) -> AdmissionOrder | None:
        """The admission that is open for `device`."""
        return next((one for one in reversed(self.orders.values()) if one.device == device), None)

    async def vouch(self, secret: Secret = LOCK_DSK, *, by: str = "host", **fields: Any) -> AdmissionOrder:
        """`by` gives the DSK of a device."""
        order = await self.asked.vouch(secret, by=by, **fields)
        self.orders[order.admission] = order
        return order

    async def shows(self, device: Identity) -> Decision:
        """`device` has shown its DSK in an inclusion, and waits for the PIN."""
        decision = await self.asked.judge(self._join(device, JoinKind.JOIN))
        order = self.order(device)
        if isinstance(decision, Allow) and order is not None:
            self.keys_out.append(device)
            self.tell(
                KeySent(
                    time=self.asked.now(),
                    radio=self.name,
                    device=device,
                    correlation=order.admission,
                    rule=decision.rule,
                    reason=decision.reason,
                    credential=order.credential,
                    exposed=False,
                )
            )
        return decision

    async def arrives(
        self, device: Identity, node: int, security: SecurityClass | None = ACCESS_CONTROL
    ) -> Decision:
        """An inclusion has left a node on the network: as `device`, if that is proved by its class."""
        proved = security is not None and security.proves_dsk
        who = device if proved else at(node)
        order = self.order(device)
        decision = await self.asked.judge(
            ExchangeRequest(
                radio=self.name, network=self.network, device=who, security_class=security, address=at(node)
            )
        )
        now, correlation = self.asked.now(), order.admission if order is not None else ""
        if isinstance(decision, Allow):
            if order is not None:
                self.tell(
                    Joined(
                        time=now,
                        radio=self.name,
                        device=who,
                        correlation=correlation,
                        name=order.name,
                        credential=order.credential,
                        security_class=security,
                        marks=decision.marks,
                    )
                )
            return decision
        if who != device and device in self.keys_out:
            self.tell(
                JoinFailed(
                    time=now,
                    radio=self.name,
                    device=device,
                    correlation=correlation,
                    reason="It did not prove its DSK.",
                    address=at(node),
                )
            )
        if self.asked.mode == "enforce":
            await self.asked.condemn(who, decision.reason)
            self._to_leave(who, decision.reason)
        return decision

    async def departs(self, device: Identity) -> None:
        """`device` is off the network."""
        reason = self.leaving.pop(device, None)
        if reason is not None:
            self.tell(
                Evicted(
                    time=self.asked.now(),
                    radio=self.name,
                    device=device,
                    reason=reason,
                    confirmed=True,
                    still_holds_network_key=True,
                )
            )
        await self.asked.departed(device)

    async def there(self, device: Identity) -> Decision:
        """`device` is on the network, and nobody knows why."""
        return await self.asked.judge(PresenceRequest(radio=self.name, network=self.network, device=device))

    async def says(self, device: Identity, **fields: Any) -> Decision:
        """What `device` says of itself."""
        return await self.asked.judge(
            IdentifyRequest(radio=self.name, network=self.network, device=device, **fields)
        )


async def let_lock_in(hub: Hub, radio: ZwaveRadio, node: int = 12, **how: Any) -> None:
    """The lock joins by its sticker."""
    async with hub.admit(STICKER, name="Front door", radio=radio.name, **how) as admission:
        assert isinstance(await radio.shows(LOCK), Allow)
        assert isinstance(await radio.arrives(LOCK, node), Allow)
        await admission.joined()

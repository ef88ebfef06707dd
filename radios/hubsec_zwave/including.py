"""Letting devices in: hubsec's own inclusions, and the answers to what any inclusion asks.

What an inclusion is and who may answer is :mod:`hubsec_zwave.inclusion`'s; here it meets the server and the hub."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Mapping
from typing import Any, Final

from hubsec.decisions import Allow
from hubsec.errors import RadioError
from hubsec.events import Denied, JoinFailed, KeySent
from hubsec.identity import Identity, SecurityClass
from hubsec.radio import AdmissionOrder
from hubsec.reinclusion.radio import REINCLUSION
from hubsec.requests import JoinKind, JoinRequest, OpenKind
from hubsec_zwave.inclusion import HUBSEC, STRANGER, Inclusion
from hubsec_zwave.station import LOGGER, Station
from hubsec_zwave.wire import KEX_CANCELED, Strategy, classes_of, numbers_of, pin_text, shown_identity

SECURITY_CLASS: Final = "security-class"
"""The rule by which a device is denied that asks for too little."""


class Including:
    """`inclusion` is the one that runs, None while the controller takes nobody. `after_events` calls something when all
    that the server has told so far is taken in."""

    def __init__(self, station: Station, after_events: Callable[[Callable[[], None]], None]) -> None:
        self._station = station
        self._after_events = after_events
        self.inclusion: Inclusion | None = None
        self._changing = asyncio.Lock()
        self._timer: asyncio.TimerHandle | None = None

    # Admissions

    async def open_for(self, order: AdmissionOrder) -> None:
        """Begin an inclusion for an admission whose device needs a button pressed."""
        self._station.orders[order.device] = order
        try:
            await self._begin(order if order.replaces is not None else None)
        except BaseException:
            self._station.orders.pop(order.device, None)
            raise

    async def close_for(self) -> None:
        """Admissions have ended: where none is left that needs an inclusion, end it. One in which a device
        has answered goes on to its end, for nobody can call it back."""
        async with self._changing:
            inclusion = self.inclusion
            if self._wanted() or inclusion is None or inclusion.owner != HUBSEC or inclusion.node is not None:
                return
            await self._station.command("controller.stop_inclusion")
            # Its beginning may not have been taken in yet, and is not to look like somebody else's.
            taken_in = asyncio.Event()
            self._after_events(taken_in.set)
            await taken_in.wait()
            if self.inclusion is inclusion and inclusion.node is None:
                self.over()

    def _wanted(self) -> bool:
        return any(not order.smart_start for order in self._station.orders.values())

    async def _begin(self, placed: AdmissionOrder | None = None) -> None:
        """Begin an inclusion, in a failed node's place where `placed` names one."""
        async with self._changing:
            running = self.inclusion
            if running is not None:
                if running.owner == HUBSEC and running.only is None and placed is None:
                    return
                raise RadioError(
                    "The controller is busy: a device is being included anew in its place. Pause that first."
                    if running.only is not None
                    else "The controller is busy with another inclusion."
                )
            self.begun(HUBSEC, only=None if placed is None else placed.device)
            try:
                await self._have_begun(placed)
            except BaseException:
                self.over()
                raise

    async def _have_begun(self, placed: AdmissionOrder | None) -> None:
        station = self._station
        deadline = station.now() + station.limits.busy
        while True:
            result = await self._ask_to_begin(placed)
            if result.get("success") is True:
                return
            if station.now() > deadline:
                raise RadioError("The controller is busy and could not begin an inclusion.")
            await asyncio.sleep(_LOOK)

    async def _ask_to_begin(self, placed: AdmissionOrder | None) -> dict[str, Any]:
        station, options = self._station, {"strategy": int(Strategy.SECURITY_S2)}
        if placed is None:
            return await station.command("controller.begin_inclusion", options=options)
        node = next(
            (one for one in station.nodes if station.nodes.address(one.node_id) == placed.replaces), None
        )
        if node is None:
            raise RadioError(
                f"{placed.replaces} is not on the network any more, so nobody can take its place."
            )
        return await station.command("controller.replace_failed_node", nodeId=node.node_id, options=options)

    def begun(self, owner: str, *, smart_start: bool = False, only: Identity | None = None) -> Inclusion:
        """An inclusion begins. One that a client is to begin is forgotten if the server never says that it has."""
        self.over()
        self.inclusion = Inclusion(owner, smart_start=smart_start, only=only)
        if owner not in (HUBSEC, STRANGER):
            self._set_timer(self._station.limits.claim, self.over)
        return self.inclusion

    def _set_timer(self, seconds: float, then: Callable[[], None]) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = asyncio.get_running_loop().call_later(seconds, then)

    def _too_long(self) -> None:
        """A client has begun it and left it open."""

        async def stop() -> None:
            await self._station.command("controller.stop_inclusion")

        self.over()
        if self._station.enforcing:
            self._station.spawn(stop(), "end of an inclusion that was left open")

    def over(self) -> None:
        """It has ended."""
        self.inclusion = None
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    async def again(self) -> None:
        """An inclusion has ended, with a device or without: who still waits for theirs gets another one. A failed
        node's place is not opened again by itself."""
        if self.inclusion is None:
            for order in [one for one in self._station.orders.values() if one.replaces is not None]:
                self.not_replaced(order, "The controller has ended that, and nobody had come.")
        if self._wanted() and self.inclusion is None and self._station.enforcing:
            with contextlib.suppress(RadioError):
                await self._begin()

    def not_replaced(self, order: AdmissionOrder, reason: str) -> None:
        """The device of `order` did not come into its place."""
        self._station.orders.pop(order.device, None)
        self._station.publish(
            JoinFailed,
            device=order.device,
            correlation=order.admission,
            reason=reason,
            address=order.replaces,
        )

    # What the server tells

    async def started(self, strategy: object) -> None:
        """An inclusion has begun; one that hubsec knows nothing of is a stranger's."""
        if self.inclusion is not None:
            if self.inclusion.owner not in (HUBSEC, STRANGER):
                self._set_timer(self._station.limits.bootstrap, self._too_long)
            return
        if strategy == Strategy.SMART_START:
            self.begun(STRANGER, smart_start=True)
            return
        safe = strategy in (Strategy.DEFAULT, Strategy.SECURITY_S2)
        kind = OpenKind.INCLUSION if safe else OpenKind.INSECURE_INCLUSION
        # Whoever it is comes past everything that could hold its grants to the policy.
        await self._station.may_open(kind, "another client of the server")
        self.begun(STRANGER)
        if self._station.enforcing:
            await self._station.command("controller.stop_inclusion")

    def found(self, node: int, device_class: str | None) -> None:
        """A node has answered."""
        inclusion = self.inclusion or self.begun(STRANGER)
        inclusion.found(node, device_class)
        station = self._station
        self._set_timer(station.limits.bootstrap, self.over)
        if inclusion.owner == STRANGER and not inclusion.smart_start and station.enforcing:
            station.spawn(self._veto(inclusion), "veto")

    def stopped(self) -> None:
        """The controller takes nobody any more. This comes before it says that somebody has answered, too."""
        if self.inclusion is not None:
            self.inclusion.stopped = True

    async def idle(self) -> None:
        """The controller has nothing to do: if it has stopped before, and nobody has answered, that was it."""
        inclusion = self.inclusion
        if inclusion is not None and inclusion.stopped and inclusion.node is None:
            self.over()
            await self.again()

    async def _veto(self, inclusion: Inclusion) -> None:
        """Answer every question of a stranger's inclusion with no, before whoever began it can say yes."""
        while self.inclusion is inclusion:
            await self.say_no()
            await asyncio.sleep(self._station.limits.veto)

    async def say_no(self) -> None:
        """Answer with no whatever an inclusion asks at this moment."""
        for command, answer in _NO.items():
            with contextlib.suppress(RadioError):  # It does not ask that.
                await self._station.command(command, **answer)

    # Questions

    async def asked(self, event: Mapping[str, Any]) -> None:
        """The server asks what to grant, or for a PIN, in an inclusion of hubsec's own, or in nobody's."""
        inclusion = self.inclusion
        if not self._station.enforcing:
            return
        if event.get("event") == "grant security classes":
            grant = self._grant(inclusion, event)
            await self._station.command("controller.grant_security_classes", inclusionGrant=grant)
        elif event.get("event") == "validate dsk and enter pin":
            pin = await self._pin(inclusion, event)
            await self._station.command("controller.validate_dsk_and_enter_pin", pin=pin)

    def _grant(self, inclusion: Inclusion | None, event: Mapping[str, Any]) -> dict[str, Any] | bool:
        station = self._station
        if inclusion is None or inclusion.owner != HUBSEC:
            return False
        requested = event.get("requested")
        asked = classes_of(requested.get("securityClasses") if isinstance(requested, Mapping) else None)
        # Which of those that are awaited it is shows later; it is held to its own least then.
        awaited = [one for one in self._classic() if inclusion.only in (None, one.device)]
        least = [min((one.least for one in awaited), key=lambda one: one.rank, default=_BEST)]
        if inclusion.device_class is not None:
            least.append(station.authority.least_security(inclusion.device_class))
        granted = inclusion.grant(asked, least)
        if granted:
            return {"securityClasses": numbers_of(granted), "clientSideAuth": False}
        self.denied(inclusion, None, inclusion.refused or "", SECURITY_CLASS)
        return False

    def _classic(self) -> list[AdmissionOrder]:
        return [order for order in self._station.orders.values() if not order.smart_start]

    async def _pin(self, inclusion: Inclusion | None, event: Mapping[str, Any]) -> str | bool:
        device = shown_identity(event.get("dsk"))
        if inclusion is None or inclusion.owner != HUBSEC or device is None:
            return False
        inclusion.show(device)
        return pin_text(self._station.orders[device].secret) if await self.join(inclusion, device) else False

    async def join(self, inclusion: Inclusion, device: Identity) -> bool:
        """Whether the keys may go to `device`, which has shown its DSK. The decision is durable when this
        returns, and told."""
        station = self._station
        if inclusion.only not in (None, device):
            reason = f"The place is held open for {inclusion.only} alone."
            inclusion.refuse(reason)
            self.denied(inclusion, device, reason, REINCLUSION)
            return False
        decision = await station.judge(
            JoinRequest(radio=station.name, network=station.network, device=device, kind=JoinKind.JOIN)
        )
        order = station.orders.get(device)
        if not isinstance(decision, Allow) or order is None:
            inclusion.refuse(decision.reason)
            self.denied(inclusion, device, decision.reason, decision.rule)
            return False
        best = max(inclusion.granted, key=lambda one: one.rank, default=None)
        if best is not None and best.rank < order.least.rank:
            inclusion.refuse(f"It asks for {best} at most, and the policy wants {order.least} of it.")
            self.denied(inclusion, device, inclusion.refused or "", SECURITY_CLASS)
            return False
        inclusion.allow(device)
        station.publish(
            KeySent,
            device=device,
            correlation=order.admission,
            rule=decision.rule,
            reason=decision.reason,
            credential=order.credential,
            exposed=False,
        )
        return True

    def denied(self, inclusion: Inclusion, device: Identity | None, reason: str, rule: str) -> None:
        """Say that somebody got nothing."""
        station = self._station
        if device is None and inclusion.node is not None:
            device = station.nodes.address(inclusion.node)
        station.publish(
            Denied, device=device, reason=reason, rule=rule, kind=JoinKind.JOIN, enforced=station.enforcing
        )
        LOGGER.info("%s: %s was denied: %s", station.name, device, reason)


_LOOK: Final = 0.1
"""Seconds until a busy controller is asked again."""
_BEST: Final = SecurityClass.S2_ACCESS_CONTROL
_NO: Final[Mapping[str, Mapping[str, Any]]] = {
    "controller.grant_security_classes": {"inclusionGrant": False},
    "controller.validate_dsk_and_enter_pin": {"pin": False},
    "controller.cancel_secure_bootstrap_s2": {"reason": KEX_CANCELED},
}

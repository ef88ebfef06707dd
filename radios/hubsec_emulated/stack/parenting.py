"""What a router does for devices below it: beacons, association, rejoins, keep-alive, removal, the trust center's ear.

The coordinator has the same duties; only that it tells its own trust center instead of sending an Update-Device.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from hubsec_emulated.clock import Timer
from hubsec_emulated.stack.interface import DeviceUpdate
from hubsec_emulated.stack.mac import Reception
from hubsec_emulated.stack.neighbours import Child
from hubsec_emulated.stack.nwk import Arrival
from hubsec_emulated.stack.timing import BEACON_JITTER, TRANSIENT_CHILD
from hubsec_emulated.wire.addresses import BROADCAST_FIRST, COORDINATOR
from hubsec_emulated.wire.aps import Tunnel, UpdateDevice
from hubsec_emulated.wire.mac import (
    AssociationResponse,
    AssociationStatus,
    BeaconPayload,
    Capability,
    MacFrame,
    MacType,
)
from hubsec_emulated.wire.nwk import (
    EndDeviceTimeoutRequest,
    EndDeviceTimeoutResponse,
    Leave,
    NwkFrame,
    NwkType,
    RejoinRequest,
    RejoinResponse,
)

if TYPE_CHECKING:
    from hubsec_emulated.stack.node import Node

FOREVER: Final = 0xFF
"""Permit duration that never ends, Mgmt_Permit_Joining_req and EZSP permitJoining alike. Specification 2.4.3.3.7."""
MAX_CHILDREN: Final = 32
"""Children of one parent; what bellows configures EmberZNet to (CONFIG_MAX_END_DEVICE_CHILDREN)."""
AGEING_PERIOD: Final = 30.0
"""How often a parent looks for children that were silent too long, seconds."""
MAX_TIMEOUT: Final = 14
"""Highest end device timeout, 2**14 minutes. Specification table 3-52."""
_TIMEOUT_SUCCESS: Final = 0
_TIMEOUT_INCORRECT: Final = 1
_KEEPALIVE_BOTH: Final = 0x03
_ASSOCIATION_TIME: Final = 5.0


class Parenting:
    """The parent's side of one router's or coordinator's children."""

    def __init__(self, node: Node) -> None:
        self._node = node
        self.max_children = MAX_CHILDREN
        #: Attackers and broken firmware: a permit flag that nobody can close.
        self.stuck_open = False
        self._open = False
        self._closing: Timer | None = None
        self._ageing: Timer | None = None

    @property
    def permit(self) -> bool:
        """Whether associations are accepted now."""
        return self._open or self.stuck_open

    def permit_joining(self, seconds: int) -> None:
        """Accept associations for so long: 0 closes at once, 255 never ends."""
        if self._closing is not None:
            self._closing.cancel()
            self._closing = None
        self._open = seconds > 0
        if 0 < seconds < FOREVER:
            self._closing = self._node.later(seconds, self.permit_joining, 0)

    def start(self) -> None:
        """Look after the children from now on."""
        if self._ageing is None or not self._ageing.pending:
            self._ageing = self._node.later(AGEING_PERIOD, self._age)

    # Beacons and association

    def on_beacon_request(self) -> None:
        """Answer with a beacon, after a moment."""
        if self._node.joined and self._node.role.routes:
            self._node.later(self._node.random.uniform(0.005, BEACON_JITTER), self._send_beacon)

    def _send_beacon(self) -> None:
        node = self._node
        room = len(node.neighbours.children) < self.max_children
        beacon = BeaconPayload(
            node.nwk.extended_pan_id,
            self.permit,
            pan_coordinator=node.nwk.short == COORDINATOR,
            router_capacity=room,
            end_device_capacity=room,
            depth=min(node.nwk.depth, 15),
            update_id=node.nwk.update_id,
        )
        frame = MacFrame(
            MacType.BEACON, 0, src_pan=node.nwk.pan_id, src=node.nwk.short, payload=beacon.encode()
        )
        node.mac.send_frame(frame)

    def on_association_request(self, reception: Reception, capability: int) -> None:
        """A device wants in: keep the answer for its poll. Closed parents don't answer at all, as EmberZNet."""
        node, eui64 = self._node, reception.frame.src
        if eui64 is None or not reception.frame.src_long or not (node.joined and node.role.routes):
            return
        if not self.permit:
            return
        known = node.neighbours.children.get(eui64)
        if known is None and len(node.neighbours.children) >= self.max_children:
            refusal = AssociationResponse(0xFFFF, AssociationStatus.PAN_AT_CAPACITY).encode()
            node.mac.send_indirect(eui64, refusal, dst_long=True, command=True, src_long=True)
            return
        child = self._adopt(eui64, self._address_for(eui64), capability)
        response = AssociationResponse(child.short, AssociationStatus.SUCCESS).encode()
        node.mac.forget_indirect(eui64, dst_long=True)
        node.mac.send_indirect(
            eui64,
            response,
            lambda ok: self._associated(child) if ok else None,
            dst_long=True,
            command=True,
            src_long=True,
        )

    def _associated(self, child: Child) -> None:
        child.joined_at = self._node.clock.now()
        self._node.on_child_changed(child, present=True)
        self.tell_trust_center(child.eui64, child.short, DeviceUpdate.UNSECURED_JOIN)

    def _adopt(self, eui64: int, short: int, capability: int) -> Child:
        neighbours, now = self._node.neighbours, self._node.clock.now()
        neighbours.remove_child(eui64)
        neighbours.learn(short, eui64)
        neighbours.routers.pop(short, None)
        self._node.routing.forget(short)
        child = Child(
            eui64,
            short,
            rx_on=bool(capability & Capability.RX_ON_WHEN_IDLE),
            router=bool(capability & Capability.ROUTER),
            keepalive=now,
            joined_at=now,
        )
        child.transient = self._node.later(TRANSIENT_CHILD + _ASSOCIATION_TIME, self._drop_transient, child)
        neighbours.children[eui64] = child
        return child

    def _drop_transient(self, child: Child) -> None:
        if not child.authenticated and self._node.neighbours.children.get(child.eui64) is child:
            self._forget(child.eui64)

    def _address_for(self, eui64: int) -> int:
        node = self._node
        known = node.neighbours.short_of(eui64)
        if known is not None:
            return known
        used = {COORDINATOR, node.nwk.short, *node.neighbours.known_shorts()}
        while True:
            short = node.random.randrange(1, BROADCAST_FIRST)
            if short not in used:
                return short

    # Children that live

    def heard_child(self, child: Child) -> None:
        """A child sent a frame under the network key."""
        child.keepalive = self._node.clock.now()
        if not child.authenticated:
            child.authenticated = True
            if child.transient is not None:
                child.transient.cancel()
                child.transient = None

    def on_poll(self, source: int, source_long: bool) -> None:
        """A device polls: it is alive. One that is no child of ours is told to come back properly."""
        node = self._node
        neighbours = node.neighbours
        child = neighbours.children.get(source) if source_long else neighbours.child_at(source)
        if child is not None:
            child.keepalive = node.clock.now()
        elif not source_long and node.joined and node.role.routes:
            leave = NwkFrame(
                NwkType.COMMAND,
                source,
                node.nwk.short,
                1,
                node.nwk.next_sequence(),
                src_ieee=node.eui64,
                security=True,
                payload=Leave(request=True, rejoin=True).encode(),
            )
            node.mac.send_indirect(source, node.nwk.sealed(leave))

    def on_timeout_request(self, arrival: Arrival, request: EndDeviceTimeoutRequest) -> None:
        """A child says how long it may be silent (specification 3.6.10.2)."""
        child = self._node.neighbours.child_at(arrival.frame.src)
        if child is None or child.short != arrival.hop:
            return
        accepted = request.timeout <= MAX_TIMEOUT and request.configuration == 0
        if accepted:
            child.timeout = request.timeout
        response = EndDeviceTimeoutResponse(
            _TIMEOUT_SUCCESS if accepted else _TIMEOUT_INCORRECT, _KEEPALIVE_BOTH
        )
        self._node.nwk.send_to_neighbour(child.short, response.encode(), dst_ieee=child.eui64)

    def _age(self) -> None:
        node = self._node
        now = node.clock.now()
        for child in tuple(node.neighbours.children.values()):
            if not child.router and child.authenticated and now - child.keepalive > child.timeout_seconds:
                self._forget(child.eui64)
        self.start()

    # Children that go, or come back

    def on_rejoin_request(self, arrival: Arrival, request: RejoinRequest) -> None:
        """A device comes back (specification 3.6.1.4.3): answered as secured as it asked."""
        node, frame = self._node, arrival.frame
        eui64 = frame.src_ieee
        if eui64 is None or not (node.joined and node.role.routes):
            return
        if not arrival.secured and not node.may_rejoin_unsecured(eui64):
            return
        known = node.neighbours.eui64_of(frame.src)
        short = frame.src if known in (None, eui64) else self._address_for(eui64)
        full = eui64 not in node.neighbours.children and len(node.neighbours.children) >= self.max_children
        if full:
            response = RejoinResponse(frame.src, AssociationStatus.PAN_AT_CAPACITY)
            self._answer_rejoin(arrival, eui64, response)
            return
        child = self._adopt(eui64, short, request.capability)
        if arrival.secured:
            self.heard_child(child)
        self._answer_rejoin(arrival, eui64, RejoinResponse(short, AssociationStatus.SUCCESS))
        node.on_child_changed(child, present=True)
        status = DeviceUpdate.SECURED_REJOIN if arrival.secured else DeviceUpdate.UNSECURED_REJOIN
        self.tell_trust_center(eui64, short, status)

    def _answer_rejoin(self, arrival: Arrival, eui64: int, response: RejoinResponse) -> None:
        node = self._node
        frame = NwkFrame(
            NwkType.COMMAND,
            arrival.frame.src,
            node.nwk.short,
            1,
            node.nwk.next_sequence(),
            dst_ieee=eui64,
            src_ieee=node.eui64,
            security=arrival.secured,
            payload=response.encode(),
        )
        child = node.neighbours.children.get(eui64)
        payload = node.nwk.sealed(frame)
        if child is not None and not child.rx_on:
            node.mac.send_indirect(arrival.frame.src, payload)
        else:
            node.mac.send(arrival.frame.src, payload)

    def on_child_left(self, eui64: int) -> None:
        """A child announced that it leaves."""
        child = self._forget(eui64)
        if child is not None:
            self.tell_trust_center(eui64, child.short, DeviceUpdate.LEFT)

    def child_moved(self, eui64: int) -> None:
        """The device has another parent now."""
        self._forget(eui64)

    def _forget(self, eui64: int) -> Child | None:
        """Drop a child and what is kept for it; the child that it was."""
        child = self._node.neighbours.remove_child(eui64)
        if child is not None:
            self._node.mac.forget_indirect(child.short)
            self._node.on_child_changed(child, present=False)
        return child

    def remove(self, eui64: int) -> bool:
        """Tell a child to leave; False when it is none of ours. It is forgotten whether it obeys or not."""
        node = self._node
        child = node.neighbours.children.get(eui64)
        if child is None:
            return False
        node.nwk.send_to_neighbour(
            child.short, Leave(request=True).encode(), lambda _: self._removed(child), dst_ieee=eui64
        )
        return True

    def _removed(self, child: Child) -> None:
        if self._node.neighbours.children.get(child.eui64) is child:
            self._forget(child.eui64)
            self.tell_trust_center(child.eui64, child.short, DeviceUpdate.LEFT)

    # Between a child and the trust center

    def tell_trust_center(self, eui64: int, short: int, status: DeviceUpdate) -> None:
        """Update-Device, sent twice as silicon does: under our trust center link key if we have one, and without."""
        node = self._node
        if node.nwk.short == COORDINATOR:
            node.on_device_update(eui64, short, COORDINATOR, status)
            return
        update = UpdateDevice(eui64, short, status).encode()
        key = node.link_keys.trust_center_key
        if key is not None:
            node.aps.send_command(COORDINATOR, update, key=key)
        node.aps.send_command(COORDINATOR, update)

    def on_tunnel(self, tunnel: Tunnel) -> None:
        """Pass the frame in a Tunnel on to the child, without network security: it has no key yet."""
        node = self._node
        child = node.neighbours.children.get(tunnel.dst)
        if child is None:
            return
        frame = NwkFrame(
            NwkType.DATA, child.short, node.nwk.short, 1, node.nwk.next_sequence(), payload=tunnel.frame
        )
        node.nwk.hop(child.short, frame)

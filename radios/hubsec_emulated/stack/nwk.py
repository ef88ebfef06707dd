"""The network layer of one node: frames in and out, security, and who gets them.

Routing decisions are :mod:`.routing`'s, broadcasts :mod:`.broadcast`'s; commands go to the module that knows them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import TYPE_CHECKING, Final

from hubsec_emulated.errors import FrameError, SecurityError
from hubsec_emulated.stack.mac import Done, Reception
from hubsec_emulated.stack.neighbours import Child, Neighbour
from hubsec_emulated.wire import nwk as wire
from hubsec_emulated.wire.addresses import NO_PAN, NO_SHORT, is_broadcast
from hubsec_emulated.wire.nwk import MAX_RADIUS, NwkCommandPayload, NwkFrame, NwkType
from hubsec_emulated.wire.security import AuxHeader

if TYPE_CHECKING:
    from hubsec_emulated.stack.node import Node

MAX_BUFFERED_UNICASTS: Final = 32
"""Frames of one node that may wait for a route."""
DISCOVER_ROUTE: Final = 1
"""Discover-route field: enabled. Specification table 3-49."""
HEARD_AT_ONCE: Final = 64
"""Commands whose reading is remembered: all neighbours hear the same bytes."""
_read_command = lru_cache(maxsize=HEARD_AT_ONCE)(wire.decode_command)


@dataclass(frozen=True, slots=True)
class Arrival:
    """A frame that was opened, and how it came: `hop` is the MAC sender, `hop_eui64` the node that secured this hop."""

    frame: NwkFrame
    hop: int
    hop_eui64: int | None
    secured: bool
    lqi: int
    rssi: int


class Nwk:
    """Frames of the network layer for one node."""

    def __init__(self, node: Node) -> None:
        self._node = node
        self.extended_pan_id = 0
        self.update_id = 0
        self.depth = 0
        #: The parent's short address; None on the coordinator and off the network.
        self.parent: int | None = None
        #: An end device marks its frames once it has told its parent its timeout.
        self.end_device_initiator = False
        self.dropped: dict[str, int] = {}
        self._sequence = node.eui64 >> 8 & 0xFF

    @property
    def short(self) -> int:
        """Our short address, NO_SHORT while on no network."""
        return self._node.mac.short

    @property
    def pan_id(self) -> int:
        """Our PAN id, NO_PAN while on no network."""
        return self._node.mac.pan_id

    def next_sequence(self) -> int:
        """Use up one NWK sequence number."""
        self._sequence = (self._sequence + 1) & 0xFF
        return self._sequence

    def leave_network(self) -> None:
        """Forget addresses, neighbours and routes."""
        mac = self._node.mac
        mac.short, mac.pan_id = NO_SHORT, NO_PAN
        self.parent = None
        self.depth = 0
        self.end_device_initiator = False
        self._node.neighbours.clear()
        self._node.routing.clear()
        self._node.broadcasts.clear()

    # Sending

    def send(
        self,
        dst: int,
        payload: bytes,
        done: Done | None = None,
        *,
        command: bool = False,
        radius: int = MAX_RADIUS,
        secure: bool = True,
        with_ieee: bool = False,
        dst_ieee: int | None = None,
        src: int | None = None,
        src_ieee: int | None = None,
        discover: bool = False,
    ) -> None:
        """Send `payload` to a short or broadcast address; `done` tells whether the first hop took it.

        `with_ieee` puts our EUI64 into the header; `src` and `src_ieee` send on behalf of a child. Our own address
        loops back.
        """
        frame = NwkFrame(
            NwkType.COMMAND if command else NwkType.DATA,
            dst,
            self.short if src is None else src,
            max(radius, 1),
            self.next_sequence(),
            dst_ieee=dst_ieee,
            src_ieee=self._node.eui64 if with_ieee else src_ieee,
            discover_route=DISCOVER_ROUTE if discover else 0,
            security=secure,
            end_device_initiator=self.end_device_initiator and src is None,
            payload=payload,
        )
        if is_broadcast(dst):
            self._node.broadcasts.originate(frame, done)
        elif dst == self.short:
            self._node.clock.call_later(0.001, self._loop_back, frame, done)
        else:
            self._node.routing.forward(frame, done)

    def send_to_neighbour(
        self,
        dst: int,
        payload: bytes,
        done: Done | None = None,
        *,
        secure: bool = True,
        dst_ieee: int | None = None,
    ) -> None:
        """Send a NWK command one hop, with both EUI64s, whatever the routing says."""
        frame = NwkFrame(
            NwkType.COMMAND,
            dst,
            self.short,
            1,
            self.next_sequence(),
            dst_ieee=dst_ieee,
            src_ieee=self._node.eui64,
            security=secure,
            payload=payload,
        )
        self.hop(dst, frame, done)

    def hop(self, next_hop: int, frame: NwkFrame, done: Done | None = None) -> None:
        """Hand `frame` to the neighbour `next_hop` (BROADCAST_ALL: to all that listen), secured as it leaves."""
        mac = self._node.mac
        child = self._node.neighbours.child_at(next_hop)
        if child is not None and not child.rx_on:
            mac.send_indirect(next_hop, self.sealed(frame), done)
        else:
            mac.send(next_hop, self.sealed(frame), done)

    def hop_to_sleeper(self, child: Child, frame: NwkFrame) -> None:
        """Keep a broadcast for a sleeping child; it comes as a unicast of the MAC."""
        self._node.mac.send_indirect(child.short, self.sealed(frame))

    def sealed(self, frame: NwkFrame) -> Callable[[], bytes | None]:
        """The bytes of `frame` when it leaves: secured, if it is to be, under the key that is active then."""

        def seal() -> bytes | None:
            if not frame.security:
                return frame.encode()
            # Who left the network meanwhile has no key, and nothing to say.
            return None if self._node.keys.active is None else self._node.keys.secure(frame, self._node.eui64)

        return seal

    def _loop_back(self, frame: NwkFrame, done: Done | None) -> None:
        if done is not None:
            done(True)
        self._node.deliver(Arrival(frame, self.short, self._node.eui64, True, 255, -30))

    # Receiving

    def receive(self, reception: Reception) -> None:
        """A MAC data frame for us: open it, then deliver it or pass it on. Whatever is wrong with it is counted."""
        try:
            arrival = self._open(reception)
        except FrameError:
            self._count("malformed")
            return
        except SecurityError:
            self._count("security")
            return
        if arrival is None:
            self._count("unsecured")
            return
        self._learn(arrival)
        frame = arrival.frame
        if is_broadcast(frame.dst):
            self._node.broadcasts.receive(arrival)
        elif frame.dst == self.short:
            self._node.routing.passed(arrival)
            self._node.deliver(arrival)
        elif self._node.role.routes and arrival.secured:
            self._relay(arrival)

    def _open(self, reception: Reception) -> Arrival | None:
        mac = reception.frame
        npdu = mac.payload
        frame = NwkFrame.decode(npdu)
        if frame.type is NwkType.INTERPAN or mac.src is None:
            return None
        if not frame.security:
            if not self._node.accepts_unsecured(frame):
                return None
            return Arrival(frame, mac.src, frame.src_ieee, False, reception.lqi, reception.rssi)
        aux = AuxHeader.decode(frame.payload)
        frame = self._node.keys.unsecure(npdu, aux)
        if aux.key_seq is not None and self._node.keys.is_newer(aux.key_seq):
            self._node.on_newer_key_used(aux.key_seq)
        return Arrival(frame, mac.src, aux.source, True, reception.lqi, reception.rssi)

    def _learn(self, arrival: Arrival) -> None:
        if not arrival.secured:
            return
        frame, neighbours, now = arrival.frame, self._node.neighbours, self._node.clock.now()
        if arrival.hop_eui64 is not None:
            child = neighbours.children.get(arrival.hop_eui64)
            if child is not None and child.short == arrival.hop:
                self._node.parenting.heard_child(child)
            else:
                neighbours.learn(arrival.hop, arrival.hop_eui64)
        if frame.src_ieee is not None and frame.src != self.short:
            neighbours.learn(frame.src, frame.src_ieee)
        router = neighbours.routers.get(arrival.hop)
        if router is not None:
            router.heard, router.lqi = now, arrival.lqi
        elif not frame.end_device_initiator and (frame.src != arrival.hop or arrival.hop == self.parent):
            neighbours.routers[arrival.hop] = Neighbour(arrival.hop, arrival.hop_eui64, now, arrival.lqi)

    def _relay(self, arrival: Arrival) -> None:
        frame = arrival.frame
        if frame.radius <= 1:
            self._count("radius")
            return
        frame = replace(frame, radius=frame.radius - 1, end_device_initiator=False)
        if frame.type is NwkType.COMMAND:
            self._node.relay_command(replace(arrival, frame=frame))
        else:
            self._node.routing.passed(arrival)
            self._node.routing.forward(frame, None, came_from=arrival.hop)

    def command(self, arrival: Arrival) -> NwkCommandPayload | None:
        """The command in a COMMAND frame; None (and counted) when it is malformed."""
        try:
            return _read_command(arrival.frame.payload)
        except FrameError:
            self._count("malformed")
            return None

    def _count(self, why: str) -> None:
        self.dropped[why] = self.dropped.get(why, 0) + 1

"""Which neighbour gets a unicast: children, neighbours, source routes, the routing table, route discovery.

Upward along many-to-one routes with a Route-Record (specification 3.6.3.5.4), downward by the source routes that those
records teach the concentrator, or by routes that were discovered or learned from passing frames.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final

from hubsec_emulated.clock import Timer
from hubsec_emulated.stack.mac import Done
from hubsec_emulated.stack.nwk import MAX_BUFFERED_UNICASTS, Arrival
from hubsec_emulated.stack.timing import BROADCAST_JITTER, BROADCAST_LIFETIME, ROUTE_DISCOVERY_TIME
from hubsec_emulated.wire.addresses import BROADCAST_ALL, BROADCAST_ROUTERS, is_broadcast
from hubsec_emulated.wire.nwk import (
    ManyToOne,
    NetworkStatus,
    NwkFrame,
    NwkType,
    RouteRecord,
    RouteReply,
    RouteRequest,
    Status,
)

if TYPE_CHECKING:
    from hubsec_emulated.stack.node import Node

MAX_RELAYS: Final = 11
"""Longest source route; EmberZNet's limit, which keeps room for the payload."""
_GOOD_LQI: Final = ((200, 1), (100, 3), (50, 5))
_WORST_COST: Final = 7
_SECURITY_SIZE: Final = 18
"""Auxiliary header and integrity code of a network frame, specification 4.3.1."""
_MAX_NPDU: Final = 116
"""What a MAC frame with short addresses leaves of 127 bytes."""


def link_cost(lqi: int) -> int:
    """The cost of a link, 1 (best) to 7, by its LQI (specification 3.6.3.1 leaves the mapping to the stack)."""
    return next((cost for least, cost in _GOOD_LQI if lqi >= least), _WORST_COST)


@dataclass(slots=True)
class _Route:
    next_hop: int
    many_to_one: bool = False
    cost: int = 0


@dataclass(slots=True)
class _Discovery:
    timer: Timer
    waiting: list[tuple[NwkFrame, Done | None]] = field(default_factory=list)


@dataclass(slots=True)
class _Request:
    cost: int
    sender: int
    until: float


class Routing:
    """The routing tables of one node."""

    def __init__(self, node: Node) -> None:
        self._node = node
        #: Relays to a destination, the one nearest to it first; filled on a concentrator.
        self.source_routes: dict[int, tuple[int, ...]] = {}
        #: Told (source, relays) of every Route-Record that ends here.
        self.on_route_record: Callable[[int, tuple[int, ...]], None] | None = None
        self._table: dict[int, _Route] = {}
        self._discoveries: dict[int, _Discovery] = {}
        self._requests: dict[tuple[int, int], _Request] = {}
        self._request_id = 0
        self._unanswered = 0

    def clear(self) -> None:
        """Forget all routes."""
        for discovery in self._discoveries.values():
            discovery.timer.cancel()
        self._table.clear()
        self._discoveries.clear()
        self._requests.clear()
        self.source_routes.clear()

    def forget(self, short: int) -> None:
        """Forget how to reach one destination."""
        self._table.pop(short, None)
        self.source_routes.pop(short, None)

    def settle(self, concentrator: int, next_hop: int, cost: int) -> None:
        """Know the way to a concentrator as its announcement would have taught it, route records asked for."""
        self._table[concentrator] = _Route(next_hop, many_to_one=True, cost=cost)

    def table(self) -> dict[int, int]:
        """Next hop by destination."""
        return {dst: route.next_hop for dst, route in self._table.items()}

    def passed(self, arrival: Arrival) -> None:
        """A frame came by: its source is reachable through the neighbour it came from."""
        src, hop = arrival.frame.src, arrival.hop
        if not self._node.role.routes or src in (hop, self._node.nwk.short):
            return
        if self._node.neighbours.child_at(src) is not None or self._node.neighbours.child_at(hop) is not None:
            return
        known = self._table.get(src)
        if known is None or not (known.many_to_one or is_broadcast(arrival.frame.dst)):
            self._table[src] = _Route(hop)

    def forward(self, frame: NwkFrame, done: Done | None, came_from: int | None = None) -> None:
        """Send a unicast on its way. `done` tells whether the next hop took it."""
        node = self._node
        nwk = node.nwk
        if frame.source_route is not None and came_from is not None:
            self._along_source_route(frame, done)
            return
        if node.neighbours.child_at(frame.dst) is not None:
            nwk.hop(frame.dst, frame, done)
            return
        if not node.role.routes:
            self._to_parent(frame, done)
            return
        direct = node.neighbours.router_at(frame.dst, node.clock.now()) is not None
        relays = self.source_routes.get(frame.dst)
        if came_from is None and relays and not direct and _has_room(frame, relays):
            routed = replace(frame, source_route=relays, source_route_index=len(relays) - 1)
            nwk.hop(relays[-1], routed, self._watch(relays[-1], frame, done))
            return
        route = self._table.get(frame.dst)
        if route is not None and route.many_to_one and self._starts_here(frame, came_from):
            self._record(frame)
        if direct:
            nwk.hop(frame.dst, frame, self._watch(frame.dst, frame, done))
        elif route is not None:
            nwk.hop(route.next_hop, frame, self._watch(route.next_hop, frame, done))
        else:
            self._discover(frame, done)

    def _to_parent(self, frame: NwkFrame, done: Done | None) -> None:
        parent = self._node.nwk.parent
        if parent is None:
            _tell(done, False)
            return

        def sent(ok: bool) -> None:
            self.parent_answered(ok)
            _tell(done, ok)

        self._node.nwk.hop(parent, frame, sent)

    def parent_answered(self, ok: bool) -> None:
        """Whether our parent acknowledged a frame: an end device that it ignores too often looks for another."""
        self._unanswered = 0 if ok else self._unanswered + 1
        if self._unanswered >= self._node.timing.lost_polls:
            self._unanswered = 0
            self._node.on_parent_lost()

    def announce_concentrator(self, *, route_records: bool = True) -> None:
        """Broadcast a many-to-one Route-Request: every router learns its way to us (specification 3.6.3.5.1)."""
        kind = ManyToOne.WITH_ROUTE_RECORD if route_records else ManyToOne.WITHOUT_ROUTE_RECORD
        request = RouteRequest(self._next_request(), BROADCAST_ROUTERS, 0, kind)
        self._node.nwk.send(BROADCAST_ROUTERS, request.encode(), command=True, with_ieee=True)

    def on_request(self, arrival: Arrival, request: RouteRequest) -> None:
        """Route-Request: learn the way back, answer if it is for us or our child, else pass it on."""
        node, origin = self._node, arrival.frame.src
        if not node.role.routes or origin == node.nwk.short:
            return
        cost = request.path_cost + link_cost(arrival.lqi)
        now = node.clock.now()
        known = self._requests.get((origin, request.id))
        if known is not None and known.until > now and known.cost <= cost:
            return
        self._requests = {key: entry for key, entry in self._requests.items() if entry.until > now}
        self._requests[origin, request.id] = _Request(cost, arrival.hop, now + BROADCAST_LIFETIME)
        many_to_one = request.many_to_one != ManyToOne.NO
        self._table[origin] = _Route(arrival.hop, request.many_to_one == ManyToOne.WITH_ROUTE_RECORD, cost)
        if not many_to_one and (
            request.dst == node.nwk.short or node.neighbours.child_at(request.dst) is not None
        ):
            self._reply(RouteReply(request.id, origin, request.dst, 0), arrival.hop)
            return
        if arrival.frame.radius > 1:
            relayed = replace(
                arrival.frame,
                radius=arrival.frame.radius - 1,
                payload=replace(request, path_cost=min(cost, 255)).encode(),
            )
            node.later(node.random.uniform(0.002, BROADCAST_JITTER), node.nwk.hop, BROADCAST_ALL, relayed)

    def on_reply(self, arrival: Arrival, reply: RouteReply) -> None:
        """Route-Reply: learn the way there; pass it on towards who asked, or send what waited."""
        node = self._node
        if reply.responder != arrival.hop:
            self._table[reply.responder] = _Route(arrival.hop)
        if reply.originator == node.nwk.short:
            discovery = self._discoveries.pop(reply.responder, None)
            if discovery is not None:
                discovery.timer.cancel()
                self._table[reply.responder] = _Route(arrival.hop)
                for frame, done in discovery.waiting:
                    node.nwk.hop(arrival.hop, frame, done)
            return
        request = self._requests.get((reply.originator, reply.id))
        if request is not None:
            self._reply(replace(reply, path_cost=min(reply.path_cost + 1, 255)), request.sender)

    def on_record(self, arrival: Arrival, record: RouteRecord) -> None:
        """A Route-Record that ends here: the relays between its source and us."""
        src = arrival.frame.src
        if self._node.neighbours.child_at(src) is None:
            self.source_routes[src] = record.relays
        if self.on_route_record is not None:
            self.on_route_record(src, record.relays)

    def relay_record(self, arrival: Arrival, record: RouteRecord) -> None:
        """A Route-Record on its way: add ourselves."""
        self.passed(arrival)
        if len(record.relays) >= MAX_RELAYS:
            return
        extended = RouteRecord((*record.relays, self._node.nwk.short))
        self.forward(replace(arrival.frame, payload=extended.encode()), None, came_from=arrival.hop)

    def on_status(self, status: NetworkStatus) -> None:
        """Network-Status: a route that was reported broken is forgotten."""
        if status.status in (Status.NO_ROUTE, Status.NON_TREE_LINK_FAILURE, Status.SOURCE_ROUTE_FAILURE):
            self.forget(status.dst)

    def _starts_here(self, frame: NwkFrame, came_from: int | None) -> bool:
        if frame.type is NwkType.COMMAND:
            return False
        return came_from is None or (
            came_from == frame.src and self._node.neighbours.child_at(came_from) is not None
        )

    def _record(self, frame: NwkFrame) -> None:
        own = frame.src == self._node.nwk.short
        record = RouteRecord(() if own else (self._node.nwk.short,))
        node = self._node
        node.nwk.send(
            frame.dst,
            record.encode(),
            command=True,
            src=frame.src,
            src_ieee=node.eui64_of(frame.src),
            dst_ieee=node.eui64_of(frame.dst),
        )

    def _along_source_route(self, frame: NwkFrame, done: Done | None) -> None:
        relays = frame.source_route or ()
        index = frame.source_route_index
        if index == 0 or index > len(relays):
            self._node.nwk.hop(frame.dst, replace(frame, source_route=None, source_route_index=0), done)
            return
        onward = replace(frame, source_route_index=index - 1)
        self._node.nwk.hop(relays[index - 1], onward, done)

    def _watch(self, next_hop: int, frame: NwkFrame, done: Done | None) -> Done:
        def hop_done(ok: bool) -> None:
            if ok:
                _tell(done, True)
                return
            self._node.neighbours.routers.pop(next_hop, None)
            self._drop_routes_through(next_hop)
            if frame.dst == next_hop and frame.src != self._node.nwk.short:
                _tell(done, False)
            else:
                self._discover(frame, done)

        return hop_done

    def _drop_routes_through(self, next_hop: int) -> None:
        for dst in [dst for dst, route in self._table.items() if route.next_hop == next_hop]:
            del self._table[dst]
        for dst in [dst for dst, relays in self.source_routes.items() if relays and relays[-1] == next_hop]:
            del self.source_routes[dst]

    def _discover(self, frame: NwkFrame, done: Done | None) -> None:
        discovery = self._discoveries.get(frame.dst)
        if discovery is None:
            timer = self._node.later(ROUTE_DISCOVERY_TIME, self._give_up, frame.dst)
            discovery = self._discoveries[frame.dst] = _Discovery(timer)
            request = RouteRequest(self._next_request(), frame.dst, 0)
            self._node.nwk.send(BROADCAST_ROUTERS, request.encode(), command=True, with_ieee=True)
        if len(discovery.waiting) >= MAX_BUFFERED_UNICASTS:
            _tell(done, False)
        else:
            discovery.waiting.append((frame, done))

    def _give_up(self, dst: int) -> None:
        node = self._node
        for frame, done in self._discoveries.pop(dst).waiting:
            if frame.src != node.nwk.short:
                status = NetworkStatus(Status.NO_ROUTE, dst)
                node.nwk.send(frame.src, status.encode(), command=True, with_ieee=True)
            _tell(done, False)

    def _reply(self, reply: RouteReply, next_hop: int) -> None:
        self._node.nwk.send_to_neighbour(next_hop, reply.encode())

    def _next_request(self) -> int:
        self._request_id = (self._request_id + 1) & 0xFF
        return self._request_id


def _has_room(frame: NwkFrame, relays: tuple[int, ...]) -> bool:
    """Whether a source route still fits into a frame that is secured."""
    length = len(frame.header_bytes) + len(frame.payload) + _SECURITY_SIZE + 2 + 2 * len(relays)
    return length <= _MAX_NPDU


def _tell(done: Done | None, ok: bool) -> None:
    if done is not None:
        done(ok)

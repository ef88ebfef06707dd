"""Broadcasts: sent three times, relayed once by every router (as on silicon), remembered so that each is taken once."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from hubsec_emulated.stack.mac import Done
from hubsec_emulated.stack.nwk import Arrival
from hubsec_emulated.stack.timing import (
    BROADCAST_GAP,
    BROADCAST_JITTER,
    BROADCAST_LIFETIME,
    BROADCAST_RETRIES,
)
from hubsec_emulated.wire.addresses import BROADCAST_ALL, BROADCAST_ROUTERS, BROADCAST_RX_ON
from hubsec_emulated.wire.nwk import NwkCommand, NwkFrame, NwkType

if TYPE_CHECKING:
    from hubsec_emulated.stack.node import Node

#: NWK commands that go one hop by broadcast and are never repeated.
_SENT_ONCE = (bytes((NwkCommand.LINK_STATUS,)), bytes((NwkCommand.LEAVE,)))


class Broadcasts:
    """The broadcast transaction table of one node (specification 3.6.5)."""

    def __init__(self, node: Node) -> None:
        self._node = node
        self._seen: dict[tuple[int, int], float] = {}

    def clear(self) -> None:
        """Forget every broadcast."""
        self._seen.clear()

    def originate(self, frame: NwkFrame, done: Done | None) -> None:
        """Send our own broadcast (or one of a sleeping child's), and take it ourselves when it is meant for us too."""
        self._remember(frame)
        self._spread(frame, done)

    def receive(self, arrival: Arrival) -> None:
        """A broadcast that was opened: deliver it once, relay it if we route."""
        frame, node = arrival.frame, self._node
        if not arrival.secured:
            return
        if frame.type is NwkType.COMMAND and frame.payload[:1] == bytes((NwkCommand.ROUTE_REQUEST,)):
            node.deliver(arrival)
            return
        if self._is_known(frame) or frame.src == node.nwk.short:
            return
        self._remember(frame)
        if node.role.routes:
            node.routing.passed(arrival)
        if self._meant_for(frame.dst):
            node.deliver(arrival)
        if node.role.routes and frame.radius > 1:
            relayed = replace(frame, radius=frame.radius - 1, end_device_initiator=False)
            # A child that sleeps hands its broadcast to us; silicon repeats that at once, others' after a jitter.
            own_child = node.neighbours.child_at(arrival.hop) is not None and frame.src == arrival.hop
            wait = 0.006 if own_child else node.random.uniform(0.005, BROADCAST_JITTER)
            node.later(wait, self._spread, relayed, None, BROADCAST_RETRIES)

    def _spread(self, frame: NwkFrame, done: Done | None, sent: int = 0) -> None:
        node = self._node
        if not node.joined:
            return
        if not node.role.routes:
            # An end device hands its broadcasts to its parent, acknowledged.
            if node.nwk.parent is not None:
                node.nwk.hop(node.nwk.parent, frame, done)
            return
        node.nwk.hop(BROADCAST_ALL, frame, done)
        if sent in (0, BROADCAST_RETRIES) and frame.dst == BROADCAST_ALL:
            for child in tuple(node.neighbours.children.values()):
                if not child.rx_on and child.authenticated and child.short != frame.src:
                    node.nwk.hop_to_sleeper(child, frame)
        once = frame.type is NwkType.COMMAND and frame.payload[:1] in _SENT_ONCE
        if not once and sent < BROADCAST_RETRIES:
            gap = BROADCAST_GAP + node.random.uniform(-0.02, 0.02)
            node.later(gap, self._spread, frame, None, sent + 1)

    def _meant_for(self, dst: int) -> bool:
        role = self._node.role
        if dst == BROADCAST_ALL:
            return True
        if dst == BROADCAST_RX_ON:
            return self._node.mac.rx_on
        return dst == BROADCAST_ROUTERS and role.routes

    def _remember(self, frame: NwkFrame) -> None:
        now = self._node.clock.now()
        self._seen = {key: until for key, until in self._seen.items() if until > now}
        self._seen[frame.src, frame.seq] = now + BROADCAST_LIFETIME

    def _is_known(self, frame: NwkFrame) -> bool:
        return self._seen.get((frame.src, frame.seq), 0.0) > self._node.clock.now()

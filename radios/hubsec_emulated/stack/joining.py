"""How a device gets onto a network, and back: association, network key, announce, rejoins.

The order and the times are those of EmberZNet on silicon, see :class:`~hubsec_emulated.stack.timing.Timing`. The trust
center link key exchange that follows is :mod:`.exchange`'s.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum
from typing import TYPE_CHECKING, Final

from hubsec_emulated.clock import Timer
from hubsec_emulated.stack.nwk import Arrival
from hubsec_emulated.stack.scan import Parent
from hubsec_emulated.wire import zdo
from hubsec_emulated.wire.addresses import BROADCAST_RX_ON, NO_PAN, NO_SHORT
from hubsec_emulated.wire.aps import NetworkKey
from hubsec_emulated.wire.mac import (
    AssociationRequest,
    AssociationResponse,
    AssociationStatus,
    MacFrame,
    MacType,
)
from hubsec_emulated.wire.nwk import (
    NwkFrame,
    NwkType,
    RejoinRequest,
    RejoinResponse,
)

if TYPE_CHECKING:
    from hubsec_emulated.stack.node import Node

ASSOCIATIONS_PER_PARENT: Final = 3
"""Associations with one parent that brings no key, before others are looked for."""
RESPONSE_POLLS: Final = 3
"""Polls for one Association-Response."""
REJOIN_WAIT: Final = 1.5
"""How long a rejoiner waits for the Rejoin-Response, seconds; it polls every `poll_for_key` meanwhile."""
LQI_STEP: Final = 64
"""Parents whose LQI differs by less are equally good: the one nearer to the coordinator is taken."""


class JoinState(Enum):
    """Where a device stands on its way in."""

    IDLE = "off the network"
    SCANNING = "looking for a parent"
    ASSOCIATING = "associating"
    WAITING_FOR_KEY = "waiting for the network key"
    REJOINING = "rejoining"
    JOINED = "joined"


class Joining:
    """The joiner's side of one device."""

    def __init__(self, node: Node) -> None:
        self._node = node
        self.state = JoinState.IDLE
        #: Associations that a parent accepted, and those whose network key never came.
        self.associations = 0
        self.keyless = 0
        self._parent: Parent | None = None
        self._attempts = 0
        self._until = 0.0
        self._timer: Timer | None = None
        self._poll: Timer | None = None
        self._avoid: set[tuple[int, int]] = set()
        self._secured = True
        self._rejoins = 0

    def stop(self) -> None:
        """Give up whatever is under way."""
        for timer in (self._timer, self._poll):
            if timer is not None:
                timer.cancel()
        self._node.scanner.stop()
        if self.state is not JoinState.JOINED:
            self.state = JoinState.IDLE

    def steer(self) -> None:
        """Look for an open network and join it, for `Timing.steering` seconds."""
        self.stop()
        self._until = self._node.clock.now() + self._node.timing.steering
        self._avoid.clear()
        self._scan()

    # Association

    def _scan(self) -> None:
        node = self._node
        if node.clock.now() >= self._until:
            self.state = JoinState.IDLE
            return
        self.state = JoinState.SCANNING
        node.mac.pan_id, node.mac.short = NO_PAN, NO_SHORT
        node.scanner.scan(node.channels, self._found)

    def _found(self, parents: list[Parent]) -> None:
        node = self._node
        wanted = [
            parent
            for parent in parents
            if parent.beacon.association_permit
            and (parent.beacon.router_capacity if node.role.routes else parent.beacon.end_device_capacity)
            and (parent.pan_id, parent.short) not in self._avoid
            and node.wants(parent)
        ]
        if not wanted:
            self._avoid.clear()
            self._again(node.timing.rescan, self._scan)
            return
        self._parent = min(wanted, key=_preference)
        self._attempts = 0
        node.mac.channel = self._parent.channel
        self._again(node.timing.beacon_to_association, self._associate)

    def _associate(self) -> None:
        node, parent = self._node, self._parent
        if parent is None:
            return
        if self._attempts >= ASSOCIATIONS_PER_PARENT:
            self._avoid.add((parent.pan_id, parent.short))
            self._again(node.timing.rescan, self._scan)
            return
        self._attempts += 1
        node.link_keys.attempt = self._attempts - 1
        self.state = JoinState.ASSOCIATING
        node.mac.pan_id, node.mac.short = parent.pan_id, NO_SHORT
        request = MacFrame(
            MacType.COMMAND,
            0,
            dst_pan=parent.pan_id,
            dst=parent.short,
            src_pan=NO_PAN,
            src=node.eui64,
            src_long=True,
            ack_request=True,
            payload=AssociationRequest(node.role.capability).encode(),
        )
        node.mac.send_frame(request, self._requested)
        self._again(node.key_timeout, self._associate)

    def _requested(self, acked: bool) -> None:
        if acked and self.state is JoinState.ASSOCIATING:
            self._poll_later(self._node.timing.association_poll, self._poll_response, RESPONSE_POLLS)

    def _poll_response(self, left: int) -> None:
        parent = self._parent
        if parent is None or self.state is not JoinState.ASSOCIATING or left == 0:
            return
        self._poll_later(self._node.timing.association_poll, self._poll_response, left - 1)
        self._node.mac.poll(parent.short, _ignore, src_long=True)

    def on_association_response(self, response: AssociationResponse, sender: int | None) -> None:
        """The parent's answer, which names the parent's EUI64 as its `sender`."""
        node, parent = self._node, self._parent
        if self.state is not JoinState.ASSOCIATING or parent is None:
            return
        if response.status != AssociationStatus.SUCCESS:
            self._avoid.add((parent.pan_id, parent.short))
            self._again(node.timing.rescan, self._scan)
            return
        self.associations += 1
        node.mac.short = response.short
        if sender is not None:
            node.neighbours.learn(parent.short, sender)
        self._adopted_by(parent)
        self._wait_for_key()

    def _adopted_by(self, parent: Parent) -> None:
        nwk = self._node.nwk
        # Until it has agreed on a timeout with this parent, silicon's frames do not say that it has one.
        nwk.end_device_initiator = False
        nwk.parent = parent.short
        nwk.extended_pan_id = parent.beacon.extended_pan_id
        nwk.update_id = parent.beacon.update_id
        nwk.depth = min(parent.beacon.depth + 1, 15)

    def _wait_for_key(self) -> None:
        node = self._node
        self.state = JoinState.WAITING_FOR_KEY
        self._again(node.key_timeout, self._no_key)
        if not node.mac.rx_on:
            self._poll_later(node.timing.poll_first, self._poll_key)

    def _poll_key(self) -> None:
        node = self._node
        if self.state is JoinState.WAITING_FOR_KEY and node.nwk.parent is not None:
            self._poll_later(node.timing.poll_for_key, self._poll_key)
            node.mac.poll(node.nwk.parent, _ignore)

    def _no_key(self) -> None:
        self.keyless += 1
        if self._node.keys.active is not None:
            self._retry_rejoin()
        elif self._node.clock.now() >= self._until:
            self.state = JoinState.IDLE
            self._node.nwk.leave_network()
        else:
            self._associate()

    @property
    def awaits_key(self) -> bool:
        """Whether a Transport-Key without network security is expected."""
        return self.state is JoinState.WAITING_FOR_KEY

    def on_network_key(self, carried: NetworkKey, key: bytes) -> None:
        """The network key came, under the link key `key`: announce ourselves."""
        node = self._node
        if self.state is not JoinState.WAITING_FOR_KEY or carried.dst not in (0, node.eui64):
            return
        rejoined = node.keys.active is not None
        node.keys.install(carried.key, carried.sequence)
        node.trust_center_eui64 = carried.src
        if not rejoined:
            node.link_keys.trust_center_key = key
        self._joined(rejoined=rejoined)

    def _joined(self, *, rejoined: bool) -> None:
        node = self._node
        for timer in (self._timer, self._poll):
            if timer is not None:
                timer.cancel()
        self.state = JoinState.JOINED
        node.later(node.timing.announce_delay, self._announce)
        node.on_joined(rejoined=rejoined)

    def _announce(self) -> None:
        node = self._node
        if not node.joined:
            return
        node.zdo.send(BROADCAST_RX_ON, zdo.DeviceAnnce(node.nwk.short, node.eui64, node.role.capability))
        if node.role.routes:
            node.later(0.005, node.send_link_status)
        else:
            node.request_timeout()
            node.nwk.end_device_initiator = True
        node.on_announced()

    # Rejoin

    def rejoin(self, *, secured: bool) -> None:
        """Come back to the network whose keys we hold: `secured` under the network key, or without."""
        self.stop()
        self._secured = secured
        self._rejoins = 0
        self._scan_for_parent()

    def _scan_for_parent(self) -> None:
        self.state = JoinState.REJOINING
        node = self._node
        home = node.mac.channel
        node.scanner.scan(
            (home, *(channel for channel in node.channels if channel != home)), self._found_parent
        )

    def _found_parent(self, parents: list[Parent]) -> None:
        node = self._node
        known = [
            parent
            for parent in parents
            if parent.beacon.extended_pan_id == node.nwk.extended_pan_id and node.wants(parent)
        ]
        if not known:
            self._retry_rejoin()
            return
        parent = min(known, key=_preference)
        node.mac.channel, node.mac.pan_id = parent.channel, parent.pan_id
        self._adopted_by(parent)
        frame = NwkFrame(
            NwkType.COMMAND,
            parent.short,
            node.mac.short,
            1,
            node.nwk.next_sequence(),
            src_ieee=node.eui64,
            security=self._secured,
            payload=RejoinRequest(node.role.capability).encode(),
        )
        node.nwk.hop(parent.short, frame)
        self._again(REJOIN_WAIT, self._retry_rejoin)
        if not node.mac.rx_on:
            self._poll_later(node.timing.rejoin_poll, self._poll_rejoin)

    def _poll_rejoin(self) -> None:
        node = self._node
        if self.state is JoinState.REJOINING and node.nwk.parent is not None:
            self._poll_later(node.timing.poll_for_key, self._poll_rejoin)
            node.mac.poll(node.nwk.parent, _ignore)

    @property
    def awaits_unsecured_rejoin(self) -> bool:
        """Whether a Rejoin-Response without network security is expected."""
        return self.state is JoinState.REJOINING and not self._secured

    def on_rejoin_response(self, arrival: Arrival, response: RejoinResponse) -> None:
        """The parent's answer."""
        node = self._node
        if self.state is not JoinState.REJOINING or arrival.secured is not self._secured:
            return
        if response.status != AssociationStatus.SUCCESS or arrival.hop != node.nwk.parent:
            self._retry_rejoin()
            return
        node.mac.short = response.short
        if arrival.secured:
            self._joined(rejoined=True)
        else:
            self._wait_for_key()

    def _retry_rejoin(self) -> None:
        """Once more, after some secured ones without security: the network may have another key now."""
        node = self._node
        self._rejoins += 1
        if self._secured and self._rejoins >= node.timing.secured_rejoins and node.falls_back_to_unsecured:
            self._secured = False
        self.state = JoinState.REJOINING
        if self._poll is not None:
            self._poll.cancel()
        self._again(node.timing.rejoin_interval * min(self._rejoins, 12), self._scan_for_parent)

    def _again(self, delay: float, call: Callable[[], None]) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._node.later(delay, call)

    def _poll_later[*Args](self, delay: float, call: Callable[[*Args], None], *args: *Args) -> None:
        if self._poll is not None:
            self._poll.cancel()
        self._poll = self._node.later(delay, call, *args)


def _ignore(_acked: bool, _got: bool) -> None:
    """What a poll brings comes by itself."""


def _preference(parent: Parent) -> tuple[int, int]:
    return -(parent.lqi // LQI_STEP), parent.beacon.depth

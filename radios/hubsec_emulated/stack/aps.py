"""The application support layer of one node: data with acknowledgements, duplicates rejected, and security.

Messages are not fragmented: whatever is longer than one frame is refused.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from hubsec_emulated.clock import Timer
from hubsec_emulated.errors import EmulationError, FrameError, SecurityError
from hubsec_emulated.stack.interface import ApsIndication, DeliveryMode
from hubsec_emulated.stack.nwk import Arrival
from hubsec_emulated.stack.timing import (
    APS_ACK_WAIT,
    APS_ACK_WAIT_SLEEPY,
    APS_DUPLICATE_WINDOW,
    APS_RETRIES,
)
from hubsec_emulated.wire import aps as wire
from hubsec_emulated.wire import zdo
from hubsec_emulated.wire.addresses import BROADCAST_RX_ON, is_broadcast
from hubsec_emulated.wire.aps import ApsCommandPayload, ApsFrame, ApsType, Delivery
from hubsec_emulated.wire.nwk import MAX_RADIUS
from hubsec_emulated.wire.security import AuxHeader, KeyId, secure_aps, unsecure_aps

if TYPE_CHECKING:
    from hubsec_emulated.stack.node import Node

MAX_PAYLOAD: Final = 82
"""ASDU bytes that fit one frame with network security and no source route; nwkcMaxPayload of EmberZNet."""
type Result = Callable[[bool], None]


@dataclass(slots=True)
class _Pending:
    dst: int
    frame: ApsFrame
    key: bytes | None
    key_id: KeyId
    radius: int
    on_result: Result | None
    attempts: int = 0
    timer: Timer | None = None


@dataclass(frozen=True, slots=True)
class CommandArrival:
    """An APS command and how it came. `key` is the link key that opened it, None when no link key secured it.

    `source` is the EUI64 of its sender as far as security or the address map vouch for it.
    """

    command: ApsCommandPayload
    arrival: Arrival
    key: bytes | None
    key_id: KeyId | None
    source: int | None


class Aps:
    """APS frames of one node."""

    def __init__(self, node: Node) -> None:
        self._node = node
        self.dropped: dict[str, int] = {}
        self._counter = node.eui64 >> 16 & 0xFF
        self._pending: dict[tuple[int, int], _Pending] = {}
        self._seen: dict[tuple[int, int], float] = {}

    def clear(self) -> None:
        """Give up everything that waits; nobody is told."""
        for pending in self._pending.values():
            if pending.timer is not None:
                pending.timer.cancel()
        self._pending.clear()
        self._seen.clear()

    @property
    def waiting(self) -> bool:
        """Whether an acknowledgement is outstanding."""
        return bool(self._pending)

    def next_counter(self) -> int:
        """Use up one APS counter."""
        self._counter = (self._counter + 1) & 0xFF
        return self._counter

    # Sending

    def send_data(
        self,
        *,
        dst: int,
        profile: int,
        cluster: int,
        src_ep: int,
        dst_ep: int,
        payload: bytes,
        aps_ack: bool = False,
        radius: int = MAX_RADIUS,
        key: bytes | None = None,
        group: int | None = None,
        on_result: Result | None = None,
    ) -> int:
        """Send application data; returns its APS counter. A `group` goes to BROADCAST_RX_ON, `key` secures it.

        `on_result(ok)` comes later, exactly once: when it was acknowledged (`aps_ack`, unicasts only) or sent, or when
        retries are used up. Raises EmulationError when the payload does not fit one frame.
        """
        if len(payload) > MAX_PAYLOAD:
            raise EmulationError(
                f"An APS payload has at most {MAX_PAYLOAD} bytes, this one has {len(payload)}."
            )
        unicast = group is None and not is_broadcast(dst)
        delivery = Delivery.UNICAST
        if not unicast:
            delivery = Delivery.BROADCAST if group is None else Delivery.GROUP
        frame = ApsFrame(
            ApsType.DATA,
            delivery,
            dst_ep=dst_ep if group is None else None,
            src_ep=src_ep,
            cluster=cluster,
            profile=profile,
            counter=self.next_counter(),
            group=group,
            ack_request=aps_ack and unicast,
            payload=payload,
        )
        if group is not None and not is_broadcast(dst):
            dst = BROADCAST_RX_ON
        self._send(_Pending(dst, frame, key, KeyId.DATA, radius or MAX_RADIUS, on_result))
        return frame.counter

    def send_command(
        self,
        dst: int,
        payload: bytes,
        *,
        key: bytes | None = None,
        key_id: KeyId = KeyId.DATA,
        ack: bool = False,
        nwk_secure: bool = True,
        on_result: Result | None = None,
    ) -> None:
        """Send an APS command, under `key` when given."""
        frame = ApsFrame(
            ApsType.COMMAND,
            Delivery.BROADCAST if is_broadcast(dst) else Delivery.UNICAST,
            counter=self.next_counter(),
            ack_request=ack,
            payload=payload,
        )
        if nwk_secure:
            self._send(_Pending(dst, frame, key, key_id, MAX_RADIUS, on_result))
        else:
            self._node.nwk.send(dst, self.secured(frame, key, key_id), on_result, secure=False)

    def secured(self, frame: ApsFrame, key: bytes | None, key_id: KeyId) -> bytes:
        """The bytes of `frame`, under `key` when given."""
        if key is None:
            return frame.encode()
        counter = self._node.link_keys.next_counter()
        return secure_aps(frame, key, key_id, counter, self._node.eui64)

    def _send(self, pending: _Pending) -> None:
        if pending.frame.ack_request:
            self._pending[pending.dst, pending.frame.counter] = pending
        self._attempt(pending)

    def _attempt(self, pending: _Pending) -> None:
        node, frame = self._node, pending.frame
        pending.attempts += 1
        apdu = self.secured(frame, pending.key, pending.key_id)
        # Of all broadcasts only the announce names its sender's EUI64 in the network header.
        announce = frame.profile == zdo.PROFILE and frame.cluster == zdo.DeviceAnnce.CLUSTER
        if not frame.ack_request:
            node.nwk.send(pending.dst, apdu, pending.on_result, radius=pending.radius, with_ieee=announce)
            return
        child = node.neighbours.child_at(pending.dst)
        sleepy = (child is not None and not child.rx_on) or pending.dst in node.known_sleepy
        wait = APS_ACK_WAIT_SLEEPY if sleepy else APS_ACK_WAIT
        pending.timer = node.later(wait, self._unanswered, pending)
        node.nwk.send(pending.dst, apdu, radius=pending.radius, discover=frame.type is ApsType.DATA)
        node.on_expecting()

    def _unanswered(self, pending: _Pending) -> None:
        if pending.attempts <= APS_RETRIES:
            self._attempt(pending)
            return
        self._pending.pop((pending.dst, pending.frame.counter), None)
        if pending.on_result is not None:
            pending.on_result(False)

    # Receiving

    def receive(self, arrival: Arrival) -> None:
        """A network data frame for us. Whatever is wrong with it is counted."""
        try:
            self._receive(arrival)
        except FrameError:
            self._count("malformed")
        except SecurityError:
            self._count("security")

    def _receive(self, arrival: Arrival) -> None:
        apdu = arrival.frame.payload
        frame = ApsFrame.decode(apdu)
        key: bytes | None = None
        key_id: KeyId | None = None
        source = self._node.eui64_of(arrival.frame.src)
        if frame.security:
            frame, aux, key, source = self._unsecure(apdu, frame, source)
            key_id = aux.key_id
        if frame.type is ApsType.ACK:
            self._acknowledged(arrival.frame.src, frame.counter)
            return
        if not arrival.secured and (frame.type is not ApsType.COMMAND or key is None):
            self._count("unsecured")
            return
        if frame.fragment is not None:
            self._count("fragment")
            return
        asked = frame.ack_request and arrival.frame.dst == self._node.nwk.short
        # Only what asks for an acknowledgement is sent again. Of the rest a counter that comes a second time is another
        # frame's: who talks to hundreds of devices has used all 256 within seconds.
        again = frame.ack_request and arrival.secured
        duplicate = again and self._is_duplicate(arrival.frame.src, frame.counter)
        if duplicate:
            self._count("duplicate")
        if frame.type is ApsType.COMMAND:
            # Silicon acknowledges a command before it acts on it, and data after it has answered.
            if asked:
                self._acknowledge(arrival.frame.src, frame, key)
            if not duplicate:
                command = wire.decode_command(frame.payload)
                self._node.on_aps_command(CommandArrival(command, arrival, key, key_id, source))
            return
        if frame.type is ApsType.DATA and not duplicate:
            self._node.on_aps_data(_indication(arrival, frame, source, aps_secured=key is not None))
        if asked:
            self._acknowledge(arrival.frame.src, frame, key)

    def _unsecure(
        self, apdu: bytes, frame: ApsFrame, source: int | None
    ) -> tuple[ApsFrame, AuxHeader, bytes, int | None]:
        node = self._node
        claimed = AuxHeader.decode(frame.payload)
        sender = source if claimed.source is None else claimed.source
        for key in node.candidate_link_keys(sender, claimed.key_id):
            try:
                opened, aux = unsecure_aps(apdu, key, sender)
            except SecurityError:
                continue
            counted = sender is not None and aux.key_id is KeyId.DATA
            if counted and sender is not None and not node.link_keys.fresh(sender, key, aux.counter):
                raise SecurityError("The APS frame counter was used before.")
            return opened, aux, key, sender
        raise SecurityError("No link key opens the frame.")

    def _acknowledge(self, src: int, frame: ApsFrame, key: bytes | None) -> None:
        command = frame.type is ApsType.COMMAND
        ack = ApsFrame(
            ApsType.ACK,
            dst_ep=None if command else frame.src_ep,
            src_ep=None if command else frame.dst_ep,
            cluster=None if command else frame.cluster,
            profile=None if command else frame.profile,
            counter=frame.counter,
            ack_format=command,
        )
        self._node.nwk.send(src, self.secured(ack, key, KeyId.DATA))

    def _acknowledged(self, src: int, counter: int) -> None:
        pending = self._pending.pop((src, counter), None)
        if pending is None:
            return
        if pending.timer is not None:
            pending.timer.cancel()
        if pending.on_result is not None:
            pending.on_result(True)

    def _is_duplicate(self, src: int, counter: int) -> bool:
        now = self._node.clock.now()
        known = self._seen.get((src, counter), 0.0) > now
        if not known:
            self._seen = {key: until for key, until in self._seen.items() if until > now}
            self._seen[src, counter] = now + APS_DUPLICATE_WINDOW
        return known

    def _count(self, why: str) -> None:
        self.dropped[why] = self.dropped.get(why, 0) + 1


def _indication(arrival: Arrival, frame: ApsFrame, source: int | None, *, aps_secured: bool) -> ApsIndication:
    mode = DeliveryMode.UNICAST
    if frame.delivery is Delivery.GROUP:
        mode = DeliveryMode.GROUP
    elif is_broadcast(arrival.frame.dst):
        mode = DeliveryMode.BROADCAST
    return ApsIndication(
        src=arrival.frame.src,
        src_eui64=source,
        dst=arrival.frame.dst,
        mode=mode,
        profile=frame.profile or 0,
        cluster=frame.cluster or 0,
        src_ep=frame.src_ep or 0,
        dst_ep=0xFF if frame.dst_ep is None else frame.dst_ep,
        counter=frame.counter,
        payload=frame.payload,
        group=frame.group,
        lqi=arrival.lqi,
        rssi=arrival.rssi,
        aps_secured=aps_secured,
    )

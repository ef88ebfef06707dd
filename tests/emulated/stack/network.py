"""A network in virtual time, with the smallest trust center that can run it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from hubsec_emulated.air import Air, Transmission
from hubsec_emulated.clock import VirtualClock
from hubsec_emulated.stack.coordinator import Coordinator
from hubsec_emulated.stack.interface import ApsIndication, DeviceUpdate, JoinIndication, Role
from hubsec_emulated.stack.node import Node
from hubsec_emulated.wire.aps import ApsFrame, ApsType
from hubsec_emulated.wire.crypto import WELL_KNOWN_KEY, verify_key_hash
from hubsec_emulated.wire.nwk import NwkFrame
from hubsec_emulated.wire.security import KeyId

NETWORK_KEY = bytes(range(16))
COORDINATOR_EUI64 = 0x00124B0000000001
JOINS = (DeviceUpdate.UNSECURED_JOIN, DeviceUpdate.UNSECURED_REJOIN)


@dataclass
class MiniTrustCenter:
    """Gives the network key to whoever has a key in `allowed`, and every device a link key of its own."""

    coordinator: Coordinator
    allowed: dict[int, bytes] = field(default_factory=dict)
    default: bytes | None = WELL_KNOWN_KEY
    unique: dict[int, bytes] = field(default_factory=dict)
    verified: set[int] = field(default_factory=set)
    joins: list[JoinIndication] = field(default_factory=list)
    rejoin_unsecured: bool = True
    gives_link_keys: bool = True
    requests: list[int] = field(default_factory=list)

    def on_join(self, join: JoinIndication) -> None:
        self.joins.append(join)
        keys = self.link_keys(join.eui64)
        if join.status in JOINS and keys:
            first_join = join.status is DeviceUpdate.UNSECURED_JOIN
            key = self.allowed.get(join.eui64, self.default) if first_join else keys[0]
            if key is not None:
                self.coordinator.send_network_key(join.eui64, join.short, join.parent, key)

    def on_request_key(self, eui64: int, short: int, partner: int | None, key_used: bytes) -> None:
        self.requests.append(eui64)
        if not self.gives_link_keys:
            return
        new = self.unique.setdefault(eui64, eui64.to_bytes(8, "big") * 2)
        self.coordinator.send_link_key(eui64, short, new, key_used)

    def on_verify_key(self, eui64: int, short: int, key_hash: bytes) -> None:
        good = eui64 in self.unique and verify_key_hash(self.unique[eui64]) == key_hash
        if good:
            self.verified.add(eui64)
            self.coordinator.send_confirm_key(eui64, short, 0, self.unique[eui64])

    def link_keys(self, eui64: int) -> tuple[bytes, ...]:
        keys = [self.unique.get(eui64), self.allowed.get(eui64, self.default)]
        return tuple(key for key in keys if key is not None)

    def may_rejoin_unsecured(self, eui64: int) -> bool:
        return self.rejoin_unsecured


class Network:
    """Clock, air, coordinator and devices; time stands still between calls."""

    def __init__(
        self, seed: int = 1, loss: float = 0.0, duplication: float = 0.0, delay: float = 0.0
    ) -> None:
        self.clock = VirtualClock()
        self.air = Air(self.clock, seed=seed, loss=loss, duplication=duplication, delay=delay)
        self.seed = seed
        self.log: list[Transmission] = []
        self.air.tap(self.log.append)
        self.coordinator = Coordinator(self.air, COORDINATOR_EUI64, seed=seed)
        self.trust_center = MiniTrustCenter(self.coordinator)
        self.coordinator.trust_center = self.trust_center
        self.received: list[ApsIndication] = []
        self.coordinator.on_data = self.received.append
        self.coordinator.form(
            eui64=COORDINATOR_EUI64,
            pan_id=0x1A62,
            extended_pan_id=0x00124B00AABBCCDD,
            channel=15,
            network_key=NETWORK_KEY,
        )
        self.coordinator.permit_joining(255)
        self._next = 0x00124B0000000100
        self._heard: dict[int, list[ApsIndication]] = {}

    def node(self, role: Role = Role.ROUTER, *keys: bytes, parent: Node | None = None) -> Node:
        self._next += 0x10101
        name = f"{role.value} {self._next & 0xFF}"
        keys = keys or (WELL_KNOWN_KEY,)
        node = Node(self.air, self._next, role, name=name, link_keys=keys, channels=(15,), seed=self.seed)
        node.on_app_data = self._heard.setdefault(node.eui64, []).append  # type: ignore[method-assign]
        if parent is not None:
            self.air.limit(node.mac, [parent.mac])
        return node

    def run(self, seconds: float) -> None:
        self.clock.advance(seconds)

    def until(self, predicate: Callable[[], object], limit: float = 60.0) -> None:
        assert self.clock.run_until(predicate, limit), "it did not happen in time"

    def joined(self, role: Role = Role.ROUTER, *keys: bytes, parent: Node | None = None) -> Node:
        if parent is not None:
            parent.parenting.permit_joining(255)
        node = self.node(role, *keys, parent=parent)
        node.power_on()
        self.until(lambda: node.link_keys.verified)
        self.run(1.0)
        return node

    def frames(self, sender: Node) -> list[NwkFrame]:
        found = []
        for transmission in self.log:
            frame = transmission.frame
            if transmission.sender == sender.name and frame is not None and frame.type == 1:
                found.append(NwkFrame.decode(frame.payload))
        return found

    def send(self, source: Node, target: Node, results: list[bool], *, aps_ack: bool = True) -> None:
        """Send two bytes from one node to another; what became of it goes to `results`."""
        source.aps.send_data(
            dst=target.nwk.short,
            profile=0x0104,
            cluster=6,
            src_ep=1,
            dst_ep=1,
            payload=b"\x01\x02",
            aps_ack=aps_ack,
            on_result=results.append,
        )

    def heard(self, node: Node) -> list[ApsIndication]:
        """What the application of `node` got since `node` was made."""
        return self._heard[node.eui64]

    def inject(self, source: Node, npdu: bytes, to: Node | None = None) -> None:
        """Put a network frame on the air as if `source` sent it, to the coordinator unless told otherwise."""
        source.mac.send((to or self.coordinator).mac.short, npdu)
        self.run(0.1)

    def apdu(self, source: Node, payload: bytes, key: bytes) -> bytes:
        """A secured APS command of `source`."""
        frame = ApsFrame(ApsType.COMMAND, counter=source.aps.next_counter(), payload=payload)
        return source.aps.secured(frame, key, KeyId.DATA)

    def update_network_key(self, key: bytes, seq: int) -> None:
        """Broadcast the key, wait as silicon does, switch."""
        self.coordinator.stage_network_key(key, seq)
        self.coordinator.send_network_key_update(0, 0xFFFF, None, key=key, key_seq=seq)
        self.run(20.5)
        self.coordinator.switch_network_key(seq)
        self.coordinator.send_switch_key(0xFFFF, seq)

"""The coordinator: a node that forms its network, and whose trust center somebody else is.

Everything is called from the event loop that drives the clock; nothing blocks, and nothing here raises for what a
device sent. Short addresses, EUI64 and PAN ids are ints, keys 16 bytes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Final

from hubsec_emulated.air import Air
from hubsec_emulated.clock import Timer
from hubsec_emulated.errors import EmulationError
from hubsec_emulated.stack.aps import CommandArrival
from hubsec_emulated.stack.interface import ApsIndication, DeviceUpdate, JoinIndication, Role, TrustCenter
from hubsec_emulated.stack.joining import JoinState
from hubsec_emulated.stack.neighbours import Child, Neighbours
from hubsec_emulated.stack.node import Node
from hubsec_emulated.stack.timing import SILICON, Timing
from hubsec_emulated.wire.addresses import COORDINATOR, is_broadcast
from hubsec_emulated.wire.aps import (
    ApsFrame,
    ApsType,
    ConfirmKey,
    KeyType,
    NetworkKey,
    RemoveDevice,
    RequestKey,
    SwitchKey,
    TransportKey,
    TrustCenterLinkKey,
    Tunnel,
    UpdateDevice,
    VerifyKey,
)
from hubsec_emulated.wire.nwk import MAX_RADIUS
from hubsec_emulated.wire.security import KeyId

SILICON_LABS: Final = 0x1049
"""Manufacturer code in the node descriptor of an EmberZNet coordinator."""
MULTICAST_KEY_UPDATE: Final = 0
"""Destination EUI64 in a Transport-Key that goes to everybody. Specification 4.4.3.1.5."""


class Coordinator(Node):
    """Short address 0x0000: router, parent, and the mouth and ears of a :class:`TrustCenter`.

    `trust_center` must be set before `form` or `resume`. `on_data` gets every APS data message for endpoints of the
    coordinator, device profile requests included (the stack has answered the ones it knows: see
    :mod:`hubsec_emulated.stack.zdo`), its own unicasts to 0x0000 as well. `on_child` is told when a device becomes
    (True) or is no longer (False) a child. Callbacks come from timers.
    """

    def __init__(
        self,
        air: Air,
        eui64: int,
        *,
        trust_center: TrustCenter | None = None,
        name: str = "coordinator",
        timing: Timing = SILICON,
        seed: int = 0,
    ) -> None:
        super().__init__(
            air,
            eui64,
            Role.COORDINATOR,
            name=name,
            timing=timing,
            seed=seed,
            manufacturer_code=SILICON_LABS,
        )
        self.trust_center = trust_center
        self.on_data: Callable[[ApsIndication], None] | None = None
        self.on_child: Callable[[Child, bool], None] | None = None
        #: Told when a switch of the network key was done, with the new sequence number.
        self.on_key_switched: Callable[[int], None] | None = None
        self._announcing: Timer | None = None

    # Life of the network

    def form(
        self,
        *,
        eui64: int,
        pan_id: int,
        extended_pan_id: int,
        channel: int,
        network_key: bytes,
        key_seq: int = 0,
        nwk_counter: int = 0,
        aps_counter: int = 0,
        nwk_update_id: int = 0,
    ) -> None:
        """Start a new network. Counters are the last ones used."""
        self._settle(eui64, pan_id, extended_pan_id, channel, nwk_update_id)
        self.neighbours.clear()
        self.routing.clear()
        self.keys.forget()
        self.keys.install(network_key, key_seq)
        self.keys.counter = nwk_counter
        self.link_keys.counter = aps_counter
        self._start()

    def resume(
        self,
        *,
        eui64: int,
        pan_id: int,
        extended_pan_id: int,
        channel: int,
        keys: Mapping[int, bytes],
        key_seq: int,
        nwk_counter: int,
        aps_counter: int = 0,
        nwk_update_id: int = 0,
        children: Sequence[Child] = (),
    ) -> None:
        """Go on with a network after a reset: `keys` (one or two) by sequence number, `key_seq` the active one.

        With no `children` given, those known before `stop` stay; the address map does anyway. Replay protection begins
        anew, as after any loss of power. Raises EmulationError when the active key is not among `keys`.
        """
        if key_seq not in keys:
            raise EmulationError("The active network key is not among the keys given.")
        self._settle(eui64, pan_id, extended_pan_id, channel, nwk_update_id)
        for child in children:
            self.neighbours.learn(child.short, child.eui64)
            self.neighbours.children[child.eui64] = child
        self.keys.restart()
        self.keys.install(keys[key_seq], key_seq)
        for seq, key in keys.items():
            self.keys.stage(key, seq)
        self.keys.counter = max(self.keys.counter, nwk_counter)
        self.link_keys.counter = max(self.link_keys.counter, aps_counter)
        self._start()

    def stop(self) -> None:
        """Radio off, as in an NCP reset. What is in flash (keys, addresses, children) stays for `resume`."""
        if self._announcing is not None:
            self._announcing.cancel()
        self.parenting.permit_joining(0)
        self.power_off()
        self.joining.state = JoinState.IDLE

    def _settle(self, eui64: int, pan_id: int, extended_pan_id: int, channel: int, update_id: int) -> None:
        if self.trust_center is None:
            raise EmulationError("A coordinator needs a trust center before it forms a network.")
        self.stop()
        self.eui64 = self.mac.eui64 = eui64
        self.mac.channel, self.mac.pan_id, self.mac.short = channel, pan_id, COORDINATOR
        self.nwk.extended_pan_id, self.nwk.update_id = extended_pan_id, update_id
        self.nwk.depth = 0
        self.trust_center_eui64 = eui64

    def _start(self) -> None:
        self.mac.power(True)
        self.joining.state = JoinState.JOINED
        self._run()
        self.later(0.05, self.send_link_status)

    def permit_joining(self, seconds: int) -> None:
        """Open our own permit flag: 0 closes, 255 stays open. Routers are told by Mgmt_Permit_Joining_req instead."""
        self.parenting.permit_joining(seconds)

    def set_concentrator(self, period: float | None, *, route_records: bool = True) -> None:
        """Announce ourselves as a concentrator now and every `period` seconds; None ends it."""
        if self._announcing is not None:
            self._announcing.cancel()
            self._announcing = None
        if period is not None and self.joined:
            self.routing.announce_concentrator(route_records=route_records)
            self._announcing = self.later(
                period, lambda: self.set_concentrator(period, route_records=route_records)
            )

    # What is known of others

    @property
    def children(self) -> dict[int, Child]:
        """Our children by EUI64."""
        return self.neighbours.children

    @property
    def table(self) -> Neighbours:
        """Neighbour table and address map."""
        return self.neighbours

    @property
    def on_route_record(self) -> Callable[[int, tuple[int, ...]], None] | None:
        """Told (source, relays) of every Route-Record; the relay nearest to the source first."""
        return self.routing.on_route_record

    @on_route_record.setter
    def on_route_record(self, callback: Callable[[int, tuple[int, ...]], None] | None) -> None:
        self.routing.on_route_record = callback

    # Data

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
        aps_security: bool = False,
        group: int | None = None,
        on_result: Callable[[bool], None] | None = None,
    ) -> int:
        """Send application data from the host; returns the APS counter.

        `dst` is a short or broadcast address (with `group`: any, a groupcast goes to 0xFFFD); radius 0 means the
        default. `on_result(ok)` is called exactly once, later: with `aps_ack` when the acknowledgement came or did
        not. `aps_security` uses the first of the trust center's link keys for the destination. Raises EmulationError
        when the payload is too long, the network is down, or no link key is known.
        """
        if not self.joined:
            raise EmulationError("The network is down.")
        key: bytes | None = None
        if aps_security:
            keys = self._link_keys_of(self.eui64_of(dst))
            if not keys:
                raise EmulationError("There is no link key for the destination.")
            key = keys[0]
        return self.aps.send_data(
            dst=dst,
            profile=profile,
            cluster=cluster,
            src_ep=src_ep,
            dst_ep=dst_ep,
            payload=payload,
            aps_ack=aps_ack,
            radius=radius,
            key=key,
            group=group,
            on_result=on_result,
        )

    # Keys

    def send_network_key(
        self,
        eui64: int,
        short: int,
        parent: int,
        link_key: bytes,
        *,
        key: bytes | None = None,
        key_seq: int | None = None,
    ) -> None:
        """Transport-Key with the network key (default: the active one) under the key-transport key of `link_key`.

        `parent` 0x0000: straight to our child, without network security, and not before it can hear it; else in a
        Tunnel to that router.
        """
        if key is None or key_seq is None:
            key, key_seq = self.keys.key, self.keys.active
        if key is None or key_seq is None:
            return
        command = TransportKey(NetworkKey(key, key_seq, eui64, self.eui64)).encode()
        frame = ApsFrame(ApsType.COMMAND, counter=self.aps.next_counter(), payload=command)
        child = self.neighbours.children.get(eui64)
        if parent == COORDINATOR:
            ready = 0.0 if child is None else child.joined_at + self.timing.key_delay
            self.later(ready - self.clock.now(), self._send_key_to_child, short, frame, link_key)
        else:
            apdu = self.aps.secured(frame, link_key, KeyId.KEY_TRANSPORT)
            self.later(self.timing.key_delay, self.aps.send_command, parent, Tunnel(eui64, apdu).encode())

    def _send_key_to_child(self, short: int, frame: ApsFrame, link_key: bytes) -> None:
        self.nwk.send(short, self.aps.secured(frame, link_key, KeyId.KEY_TRANSPORT), secure=False)

    def send_network_key_update(
        self, eui64: int, short: int, link_key: bytes | None, *, key: bytes, key_seq: int
    ) -> None:
        """Transport-Key with the next network key to a device that is on the network.

        With `link_key` to one device, APS-encrypted under its key-transport key; without, to `short` as a broadcast
        (0xFFFF) that only the current network key protects.
        """
        dst = MULTICAST_KEY_UPDATE if is_broadcast(short) else eui64
        command = TransportKey(NetworkKey(key, key_seq, dst, self.eui64)).encode()
        self.aps.send_command(short, command, key=link_key, key_id=KeyId.KEY_TRANSPORT)

    def send_link_key(self, eui64: int, short: int, new_key: bytes, under: bytes) -> None:
        """Transport-Key with a trust center link key, under the key-load key of `under`."""
        command = TransportKey(TrustCenterLinkKey(new_key, eui64, self.eui64)).encode()
        self.aps.send_command(short, command, key=under, key_id=KeyId.KEY_LOAD)

    def send_confirm_key(self, eui64: int, short: int, status: int, key: bytes) -> None:
        """Confirm-Key under `key`."""
        command = ConfirmKey(status, KeyType.TRUST_CENTER_LINK, eui64).encode()
        self.aps.send_command(short, command, key=key, ack=True)

    def send_remove_device(self, parent_short: int, parent_eui64: int, target_eui64: int, key: bytes) -> None:
        """Remove-Device to a router (about its child or itself), under the router's link key `key`.

        With our own address as parent, our child is told to leave directly.
        """
        if parent_short == COORDINATOR:
            self.parenting.remove(target_eui64)
            return
        self.aps.send_command(parent_short, RemoveDevice(target_eui64).encode(), key=key)

    def send_switch_key(self, dst: int, key_seq: int) -> None:
        """Switch-Key to a device or a broadcast address. On silicon it goes out under the new key already: call
        `switch_network_key` first."""
        self.aps.send_command(dst, SwitchKey(key_seq).encode())

    def switch_network_key(self, seq: int) -> None:
        """Use a staged key from now on; the frame counter goes on."""
        if self.keys.switch(seq) and self.on_key_switched is not None:
            self.on_key_switched(seq)

    # From the stack

    def on_newer_key_used(self, seq: int) -> None:
        """Nobody but the trust center decides when the trust center switches."""

    def on_app_data(self, indication: ApsIndication) -> None:
        """Application data for the host; see `on_data`."""
        if self.on_data is not None:
            self.on_data(indication)

    def on_aps_data(self, indication: ApsIndication) -> None:
        """Let the stack answer, then tell the host."""
        if indication.profile == 0 and indication.dst_ep == 0:
            self.zdo.handle(indication)
        self.on_app_data(indication)

    def on_device_update(self, eui64: int, short: int, parent: int, status: DeviceUpdate) -> None:
        """Ask the trust center."""
        child = self.neighbours.children.get(eui64)
        if parent != COORDINATOR:
            if child is not None and status is not DeviceUpdate.LEFT:
                self.parenting.child_moved(eui64)
            if status is not DeviceUpdate.LEFT:
                self.neighbours.learn(short, eui64)
                self.routing.forget(short)
        if self.trust_center is not None:
            self.trust_center.on_join(JoinIndication(eui64, short, parent, status))

    def on_child_changed(self, child: Child, *, present: bool) -> None:
        """Tell the host; see `on_child`."""
        if self.on_child is not None:
            self.on_child(child, present)

    def may_rejoin_unsecured(self, eui64: int) -> bool:
        """Ask the trust center."""
        return self.trust_center is not None and self.trust_center.may_rejoin_unsecured(eui64)

    def candidate_link_keys(self, source: int | None, key_id: KeyId) -> tuple[bytes, ...]:
        """Ask the trust center."""
        return self._link_keys_of(source)

    def _link_keys_of(self, eui64: int | None) -> tuple[bytes, ...]:
        if self.trust_center is None or eui64 is None:
            return ()
        return self.trust_center.link_keys(eui64)

    def on_aps_command(self, came: CommandArrival) -> None:
        """What devices and routers tell the trust center. Keys are requested under a link key only."""
        if not came.arrival.secured or self.trust_center is None or came.arrival.frame.src == COORDINATOR:
            return
        src, command = came.arrival.frame.src, came.command
        match command:
            case UpdateDevice():
                if command.status in set(DeviceUpdate):
                    self.on_device_update(command.eui64, command.short, src, DeviceUpdate(command.status))
            case RequestKey() if came.key is not None and came.source is not None:
                self.trust_center.on_request_key(came.source, src, command.partner, came.key)
            case VerifyKey() if command.type == KeyType.TRUST_CENTER_LINK:
                self.trust_center.on_verify_key(command.src, src, command.hash)
            case _:
                pass

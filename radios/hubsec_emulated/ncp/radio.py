"""The emulated coordinator as the co-processor drives it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from hubsec_emulated.ncp.port import ChildObserver, FoundNetwork, RadioNetwork
from hubsec_emulated.ncp.tokens import ChildEntry
from hubsec_emulated.stack.coordinator import Coordinator
from hubsec_emulated.stack.interface import ApsIndication, TrustCenter
from hubsec_emulated.stack.neighbours import Child
from hubsec_emulated.stack.scan import Parent
from hubsec_emulated.wire.addresses import BROADCAST_ALL
from hubsec_emulated.wire.zdo import SimpleDescriptor

if TYPE_CHECKING:
    from hubsec_emulated.ncp.handlers.tables import Endpoint

END_DEVICE_TYPE = 3
SLEEPY_END_DEVICE_TYPE = 4
"""EmberNodeType."""


class Radio:
    """A :class:`hubsec_emulated.ncp.port.CoordinatorPort` over a :class:`Coordinator`."""

    def __init__(self, coordinator: Coordinator) -> None:
        self._coordinator = coordinator
        self.send_network_key = coordinator.send_network_key
        self.send_link_key = coordinator.send_link_key
        self.send_confirm_key = coordinator.send_confirm_key
        self.send_remove_device = coordinator.send_remove_device
        self.stage_network_key = coordinator.stage_network_key
        self.switch_network_key = coordinator.switch_network_key
        self.send_switch_key = coordinator.send_switch_key
        self.permit_joining = coordinator.permit_joining
        self.set_concentrator = coordinator.set_concentrator
        self.send_data = coordinator.send_data
        self.stop = coordinator.stop
        self.eui64_of = coordinator.eui64_of
        self.short_of = coordinator.short_of

    def connect(
        self,
        trust_center: TrustCenter,
        on_data: Callable[[ApsIndication], None],
        on_route_record: Callable[[int, tuple[int, ...]], None],
        on_child: ChildObserver,
    ) -> None:
        """Tell the coordinator whom to ask and whom to tell."""
        self._coordinator.trust_center = trust_center
        self._coordinator.on_data = on_data
        self._coordinator.on_route_record = on_route_record

        def child_changed(child: Child, joined: bool) -> None:
            on_child(_entry(child), joined=joined)

        self._coordinator.on_child = child_changed

    @property
    def nwk_counter(self) -> int:
        """The last network frame counter used."""
        return self._coordinator.keys.counter

    @property
    def aps_counter(self) -> int:
        """The last APS frame counter used."""
        return self._coordinator.link_keys.counter

    def start(self, network: RadioNetwork, *, fresh: bool) -> None:
        """Go on the air: with *fresh* forget everything about an earlier network, else go on with it."""
        if fresh:
            self._coordinator.form(
                eui64=network.eui64,
                pan_id=network.pan_id,
                extended_pan_id=network.extended_pan_id,
                channel=network.channel,
                network_key=network.keys[network.sequence],
                key_seq=network.sequence,
                nwk_counter=network.nwk_counter,
                aps_counter=network.aps_counter,
                nwk_update_id=network.update_id,
            )
            return
        self._coordinator.resume(
            eui64=network.eui64,
            pan_id=network.pan_id,
            extended_pan_id=network.extended_pan_id,
            channel=network.channel,
            keys=network.keys,
            key_seq=network.sequence,
            nwk_counter=network.nwk_counter,
            aps_counter=network.aps_counter,
            nwk_update_id=network.update_id,
        )

    def set_channel(self, channel: int) -> None:
        """Move to another channel without a word."""
        self._coordinator.mac.channel = channel

    def set_endpoints(self, endpoints: Sequence[Endpoint]) -> None:
        """Let the device profile answer for these endpoints."""
        self._coordinator.endpoints = [
            SimpleDescriptor(
                endpoint.number,
                endpoint.profile,
                endpoint.device,
                endpoint.version,
                endpoint.inputs,
                endpoint.outputs,
            )
            for endpoint in endpoints
        ]

    def adopt_child(self, child: ChildEntry) -> None:
        """Take an end device for a child that joined earlier; one that is our child already stays as it is."""
        if child.eui64 in self._coordinator.children:
            return
        now = self._coordinator.clock.now()
        self._coordinator.table.learn(child.short, child.eui64)
        self._coordinator.children[child.eui64] = Child(
            child.eui64,
            child.short,
            rx_on=child.type == END_DEVICE_TYPE,
            router=False,
            authenticated=True,
            keepalive=now,
            joined_at=now,
        )

    def end_device_children(self) -> Sequence[ChildEntry]:
        """The end devices whose parent we are."""
        return [
            _entry(child)
            for child in self._coordinator.children.values()
            if child.authenticated and not child.router
        ]

    def router_neighbours(self) -> Sequence[tuple[int, int, int]]:
        """Routers in reach: short address, EUI64 (0 unknown), link quality."""
        routers = self._coordinator.table.routers.values()
        return [(router.short, router.eui64 or 0, router.lqi) for router in routers]

    def routes(self) -> Sequence[tuple[int, int]]:
        """Routes: destination and next hop."""
        return list(self._coordinator.routing.table().items())

    def broadcast_network_key(self, key: bytes, seq: int) -> None:
        """Transport-Key with the next network key to everybody."""
        self._coordinator.send_network_key_update(0, BROADCAST_ALL, None, key=key, key_seq=seq)

    def send_next_network_key(self, eui64: int, short: int, link_key: bytes, key: bytes, seq: int) -> None:
        """Transport-Key with the next network key to one device, under its link key."""
        self._coordinator.send_network_key_update(eui64, short, link_key, key=key, key_seq=seq)

    def scan(self, channels: Sequence[int], done: Callable[[Sequence[FoundNetwork]], None]) -> None:
        """Ask for beacons on these channels; the radio is back on its own channel when *done* is called."""
        mac = self._coordinator.mac
        channel, powered = mac.channel, mac.powered
        mac.power(on=True)

        def finished(parents: Sequence[Parent]) -> None:
            mac.channel = channel
            mac.power(powered)
            done([_found(parent) for parent in parents])

        self._coordinator.scanner.scan(channels, finished)


def _entry(child: Child) -> ChildEntry:
    return ChildEntry(child.eui64, child.short, END_DEVICE_TYPE if child.rx_on else SLEEPY_END_DEVICE_TYPE)


def _found(parent: Parent) -> FoundNetwork:
    beacon = parent.beacon
    return FoundNetwork(
        channel=parent.channel,
        pan_id=parent.pan_id,
        extended_pan_id=beacon.extended_pan_id,
        allow_join=beacon.association_permit,
        stack_profile=beacon.stack_profile,
        update_id=beacon.update_id,
        lqi=parent.lqi,
    )

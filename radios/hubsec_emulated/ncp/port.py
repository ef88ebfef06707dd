"""What the co-processor needs of the radio's stack, as protocols.

``hubsec_emulated.clock.Clock`` is a :class:`SimulatedClock`; :mod:`hubsec_emulated.ncp.radio` makes a
:class:`CoordinatorPort` of ``hubsec_emulated.stack.coordinator.Coordinator``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from hubsec_emulated.clock import Timer
from hubsec_emulated.ncp.tokens import ChildEntry
from hubsec_emulated.stack.interface import ApsIndication, TrustCenter

if TYPE_CHECKING:
    from hubsec_emulated.ncp.handlers.tables import Endpoint


class SimulatedClock(Protocol):
    """Simulated seconds, and timers on them."""

    def now(self) -> float:
        """Seconds since the clock was made."""

    def call_later[*Args](self, delay: float, function: Callable[[*Args], object], *args: *Args) -> Timer:
        """Call ``function(*args)`` in *delay* simulated seconds."""


class KeyCarrier(Protocol):
    """The messages by which a trust center hands out keys. All are sent in the background; none raises."""

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
        """Transport-Key with the network key under *link_key*, through *parent* by Tunnel if that is not 0x0000."""

    def send_link_key(self, eui64: int, short: int, new_key: bytes, under: bytes) -> None:
        """Transport-Key with a trust center link key, under the key-load key of *under*."""

    def send_confirm_key(self, eui64: int, short: int, status: int, key: bytes) -> None:
        """Confirm-Key under *key*."""

    def send_remove_device(self, parent_short: int, parent_eui64: int, target_eui64: int, key: bytes) -> None:
        """Remove-Device to the parent, under the parent's link key."""


@dataclass(frozen=True, slots=True)
class RadioNetwork:
    """What the radio needs to be the coordinator: *keys* (one or two) by sequence number, *sequence* the active one."""

    eui64: int
    pan_id: int
    extended_pan_id: int
    channel: int
    keys: Mapping[int, bytes] = field(repr=False)
    sequence: int
    nwk_counter: int
    aps_counter: int
    update_id: int


@dataclass(frozen=True, slots=True)
class FoundNetwork:
    """A network that answered a scan."""

    channel: int
    pan_id: int
    extended_pan_id: int
    allow_join: bool
    stack_profile: int
    update_id: int
    lqi: int


class ChildObserver(Protocol):
    """Told when a device becomes a child, or is none any more."""

    def __call__(self, child: ChildEntry, *, joined: bool) -> None:
        """Take the news."""


class CoordinatorPort(KeyCarrier, Protocol):
    """The coordinator as the co-processor drives it. Only :meth:`send_data` raises."""

    @property
    def nwk_counter(self) -> int:
        """The last network frame counter used."""

    @property
    def aps_counter(self) -> int:
        """The last APS frame counter used."""

    def connect(
        self,
        trust_center: TrustCenter,
        on_data: Callable[[ApsIndication], None],
        on_route_record: Callable[[int, tuple[int, ...]], None],
        on_child: ChildObserver,
    ) -> None:
        """Whom to ask about devices, and whom to tell of data, route records (source, relays) and children."""

    def start(self, network: RadioNetwork, *, fresh: bool) -> None:
        """Go on the air: with *fresh* forget everything about an earlier network, else go on with it."""

    def stop(self) -> None:
        """Fall silent, as a radio does whose processor restarts."""

    def set_channel(self, channel: int) -> None:
        """Move to another channel without a word."""

    def set_endpoints(self, endpoints: Sequence[Endpoint]) -> None:
        """Let the device profile answer for these endpoints."""

    def permit_joining(self, seconds: int) -> None:
        """Answer associations for so many seconds: 0 closes, 255 is for ever."""

    def adopt_child(self, child: ChildEntry) -> None:
        """Take an end device for a child that joined earlier."""

    def end_device_children(self) -> Sequence[ChildEntry]:
        """The end devices whose parent we are."""

    def router_neighbours(self) -> Sequence[tuple[int, int, int]]:
        """Routers in reach: short address, EUI64 (0 unknown), link quality."""

    def routes(self) -> Sequence[tuple[int, int]]:
        """Routes: destination and next hop."""

    def eui64_of(self, short: int) -> int | None:
        """The EUI64 behind a short address, as far as known."""

    def short_of(self, eui64: int) -> int | None:
        """The short address of a device, as far as known."""

    def set_concentrator(self, period: float | None) -> None:
        """Send a many-to-one route request now and every *period* seconds; None ends it."""

    def scan(self, channels: Sequence[int], done: Callable[[Sequence[FoundNetwork]], None]) -> None:
        """Ask for beacons on these channels, then tell *done* what answered."""

    def send_data(
        self,
        *,
        dst: int,
        profile: int,
        cluster: int,
        src_ep: int,
        dst_ep: int,
        payload: bytes,
        aps_ack: bool,
        radius: int,
        aps_security: bool = False,
        group: int | None = None,
        on_result: Callable[[bool], None] | None = None,
    ) -> int:
        """Send APS data; return the APS counter. ``on_result(ok)`` is called once, later.

        :raises EmulationError: it is too long, or there is no link key for the destination.
        """

    def stage_network_key(self, key: bytes, seq: int) -> None:
        """Hold a second network key, not in use yet."""

    def broadcast_network_key(self, key: bytes, seq: int) -> None:
        """Transport-Key with the next network key to everybody, under the current network key."""

    def send_next_network_key(self, eui64: int, short: int, link_key: bytes, key: bytes, seq: int) -> None:
        """Transport-Key with the next network key to one device of the network, under its link key."""

    def switch_network_key(self, seq: int) -> None:
        """Use the staged key from now on."""

    def send_switch_key(self, dst: int, key_seq: int) -> None:
        """Send Switch-Key."""

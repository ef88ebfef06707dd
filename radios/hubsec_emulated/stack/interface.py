"""What passes between a node's stack and whoever sits above it: an application, a trust center, an NCP.

Short addresses, EUI64 and PAN ids are ints (an EUI64 is the number that `00:12:4b:…` prints), keys are 16 bytes.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum, IntEnum
from typing import Protocol

from hubsec_emulated.wire.mac import Capability


class DeviceUpdate(IntEnum):
    """How a device came or went: the status of an APS Update-Device (4.4.3.2, table 4-14)."""

    SECURED_REJOIN = 0
    UNSECURED_JOIN = 1
    LEFT = 2
    UNSECURED_REJOIN = 3


class Role(Enum):
    """A node's place in the network."""

    COORDINATOR = "coordinator"
    ROUTER = "router"
    END_DEVICE = "end device"
    SLEEPY_END_DEVICE = "sleepy end device"

    @property
    def routes(self) -> bool:
        """Whether the node relays and may have children."""
        return self in (Role.COORDINATOR, Role.ROUTER)

    @property
    def capability(self) -> int:
        """MAC capability information (IEEE 802.15.4-2006 7.3.1.2) as silicon sends it: 0x8F, 0x8E, 0x8C or 0x80."""
        capability = Capability.ALLOCATE_ADDRESS
        if self is not Role.SLEEPY_END_DEVICE:
            capability |= Capability.MAINS_POWERED | Capability.RX_ON_WHEN_IDLE
        if self.routes:
            capability |= Capability.ROUTER
        if self is Role.COORDINATOR:
            capability |= Capability.ALTERNATE_COORDINATOR
        return int(capability)


@dataclass(frozen=True, slots=True)
class JoinIndication:
    """A device that came or went, as the trust center learns of it.

    `parent` is the short address of the router that tells (0x0000 when the device is our own child).
    """

    eui64: int
    short: int
    parent: int
    status: DeviceUpdate


class DeliveryMode(Enum):
    """How APS data was addressed."""

    UNICAST = "unicast"
    BROADCAST = "broadcast"
    GROUP = "group"


@dataclass(frozen=True, slots=True)
class ApsIndication:
    """APS data that arrived, decrypted.

    `src_eui64` is None while the stack has not learned it; `dst` is the NWK destination as sent (a broadcast address
    for broadcasts), `group` the group id of a groupcast; `payload` starts at the ZDO or ZCL header. `lqi` is 0…255,
    `rssi` dBm. `aps_secured` tells whether a link key protected it.
    """

    src: int
    src_eui64: int | None
    dst: int
    mode: DeliveryMode
    profile: int
    cluster: int
    src_ep: int
    dst_ep: int
    counter: int
    payload: bytes = field(repr=False)
    group: int | None = None
    lqi: int = 255
    rssi: int = -40
    aps_secured: bool = False


class TrustCenter(Protocol):
    """The judgement behind a coordinator. Called from timers on the clock; must not block; may call the coordinator.

    `link_keys` are tried one after the other on an APS-secured frame from `eui64` (data key, key-transport and key-load
    derivations alike); an empty tuple means that such a frame can't be opened and is dropped.
    """

    def on_join(self, join: JoinIndication) -> None:
        """A device associated with us, rejoined, left, or a router told so by Update-Device (each one is reported).

        For UNSECURED_JOIN and UNSECURED_REJOIN the device has no key yet: answer with `send_network_key`, or not.
        """

    def on_request_key(self, eui64: int, short: int, partner: int | None, key_used: bytes) -> None:
        """Request-Key for a trust center link key (`partner` None) or an application link key with `partner`.

        `key_used` is the link key under which the request came. Answer with `send_link_key`, or not.
        """

    def on_verify_key(self, eui64: int, short: int, key_hash: bytes) -> None:
        """Verify-Key for a trust center link key (4.4.9). Compare with `verify_key_hash(key)`, answer with
        `send_confirm_key`."""

    def link_keys(self, eui64: int) -> tuple[bytes, ...]:
        """The keys with which an APS-secured frame from `eui64` may open."""

    def may_rejoin_unsecured(self, eui64: int) -> bool:
        """Whether our own parent role answers an unsecured Rejoin-Request of `eui64` with success.

        The key is a second question: `on_join` follows with UNSECURED_REJOIN.
        """

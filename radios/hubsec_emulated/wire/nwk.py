"""The network layer: frames and commands. Source: Zigbee specification revision 22, 3.3 and 3.4."""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Final

from hubsec_emulated.errors import FrameError
from hubsec_emulated.wire._reader import Reader, uint

PROTOCOL_VERSION: Final = 2
"""nwkcProtocolVersion of Zigbee PRO, specification table 3-54."""
MAX_RADIUS: Final = 30
"""Twice nwkMaxDepth (15), the radius a frame gets unless told otherwise; specification 3.6.3."""


class NwkType(IntEnum):
    """Frame type, the low two bits of the frame control field. Specification table 3-47."""

    DATA = 0
    COMMAND = 1
    INTERPAN = 3


class NwkCommand(IntEnum):
    """Command identifier, the first payload byte of a command frame. Specification table 3-48."""

    ROUTE_REQUEST = 0x01
    ROUTE_REPLY = 0x02
    NETWORK_STATUS = 0x03
    LEAVE = 0x04
    ROUTE_RECORD = 0x05
    REJOIN_REQUEST = 0x06
    REJOIN_RESPONSE = 0x07
    LINK_STATUS = 0x08
    NETWORK_REPORT = 0x09
    NETWORK_UPDATE = 0x0A
    END_DEVICE_TIMEOUT_REQUEST = 0x0B
    END_DEVICE_TIMEOUT_RESPONSE = 0x0C


_TYPES: Final = (NwkType.DATA, NwkType.COMMAND, None, NwkType.INTERPAN)
_MULTICAST: Final = 0x0100
_SECURITY: Final = 0x0200
_SOURCE_ROUTE: Final = 0x0400
_DST_IEEE: Final = 0x0800
_SRC_IEEE: Final = 0x1000
_END_DEVICE: Final = 0x2000
_EXTRAS: Final = _MULTICAST | _SOURCE_ROUTE | _DST_IEEE | _SRC_IEEE
_U16: Final = struct.Struct("<H")
_HEAD: Final = struct.Struct("<HHHBB")
_HEAD_SIZE: Final = _HEAD.size
_U64: Final = struct.Struct("<Q")


@dataclass(frozen=True, slots=True)
class NwkFrame:
    """One network-layer frame.

    While `security` is set and the frame has not been opened, `payload` is auxiliary header, ciphertext and MIC;
    :func:`~hubsec_emulated.wire.security.unsecure_nwk` returns the frame with the plain payload. `source_route` lists
    the relays, the one nearest to the destination first, and `source_route_index` the next to be used. An INTERPAN
    frame has no addresses: its `dst`, `src`, `radius` and `seq` are 0 and the payload is the inter-PAN APS frame.
    """

    type: NwkType
    dst: int
    src: int
    radius: int
    seq: int
    dst_ieee: int | None = None
    src_ieee: int | None = None
    source_route: tuple[int, ...] | None = None
    source_route_index: int = 0
    discover_route: int = 0
    security: bool = False
    end_device_initiator: bool = False
    payload: bytes = field(default=b"", repr=False)
    multicast: int | None = None
    version: int = PROTOCOL_VERSION

    @property
    def header_bytes(self) -> bytes:
        """The encoded header, which is what the integrity code also covers."""
        control = (self.version & 15) << 2 | (self.discover_route & 3) << 6 | self.type
        if self.type is NwkType.INTERPAN:
            return _U16.pack(control)
        extra = b""
        if self.security:
            control |= _SECURITY
        if self.end_device_initiator:
            control |= _END_DEVICE
        if self.dst_ieee is not None:
            control |= _DST_IEEE
            extra = uint(self.dst_ieee, 8, "The destination's EUI64")
        if self.src_ieee is not None:
            control |= _SRC_IEEE
            extra += uint(self.src_ieee, 8, "The source's EUI64")
        if self.multicast is not None:
            control |= _MULTICAST
            extra += uint(self.multicast, 1, "The multicast control field")
        if self.source_route is not None:
            control |= _SOURCE_ROUTE
            extra += uint(len(self.source_route), 1, "The relay count")
            extra += uint(self.source_route_index, 1, "The relay index")
            extra += b"".join(uint(relay, 2, "A relay") for relay in self.source_route)
        try:
            return _HEAD.pack(control, self.dst, self.src, self.radius, self.seq) + extra
        except struct.error as error:
            raise FrameError("A network header field does not fit.") from error

    def encode(self) -> bytes:
        """Return header and payload. The payload is sent as it is: securing is `secure_nwk`'s work."""
        return self.header_bytes + self.payload

    @classmethod
    def decode(cls, npdu: bytes) -> NwkFrame:
        """Read a network-layer frame without opening it."""
        return cls(*fields_of(npdu))


type NwkFields = tuple[
    NwkType,
    int,
    int,
    int,
    int,
    int | None,
    int | None,
    tuple[int, ...] | None,
    int,
    int,
    bool,
    bool,
    bytes,
    int | None,
    int,
]


def fields_of(npdu: bytes) -> NwkFields:
    """Return the fields of a frame in the order in which :class:`NwkFrame` has them.

    Apart from `decode` so that opening a frame makes one object and not two: making it takes as long as decrypting.
    """
    try:
        control = npdu[0] | npdu[1] << 8
        kind = _TYPES[control & 3]
        if kind is None:
            raise FrameError("Network frame type 2 is reserved.")
        version = control >> 2 & 15
        discover = control >> 6 & 3
        if kind is NwkType.INTERPAN:
            return kind, 0, 0, 0, 0, None, None, None, 0, discover, False, False, npdu[2:], None, version
        _, dst, src, radius, seq = _HEAD.unpack_from(npdu)
        at = _HEAD_SIZE
        dst_ieee = src_ieee = multicast = route = None
        index = 0
        if control & _EXTRAS:
            if control & _DST_IEEE:
                (dst_ieee,) = _U64.unpack_from(npdu, at)
                at += 8
            if control & _SRC_IEEE:
                (src_ieee,) = _U64.unpack_from(npdu, at)
                at += 8
            if control & _MULTICAST:
                multicast = npdu[at]
                at += 1
            if control & _SOURCE_ROUTE:
                count = npdu[at]
                index = npdu[at + 1]
                route = struct.unpack_from(f"<{count}H", npdu, at + 2)
                at += 2 + 2 * count
    except (IndexError, struct.error) as error:
        raise FrameError(f"A network header ends after {len(npdu)} bytes.") from error
    return (
        kind,
        dst,
        src,
        radius,
        seq,
        dst_ieee,
        src_ieee,
        route,
        index,
        discover,
        bool(control & _SECURITY),
        bool(control & _END_DEVICE),
        npdu[at:],
        multicast,
        version,
    )


class ManyToOne(IntEnum):
    """Whether a Route-Request asks for routes to its sender. Specification table 3-50."""

    NO = 0
    WITH_ROUTE_RECORD = 1
    WITHOUT_ROUTE_RECORD = 2


@dataclass(frozen=True, slots=True)
class RouteRequest:
    """Route-Request, specification 3.4.1. `many_to_one` is 0..3, see :class:`ManyToOne`."""

    id: int
    dst: int
    path_cost: int
    many_to_one: int = ManyToOne.NO
    dst_ieee: int | None = None
    multicast: bool = False

    def encode(self) -> bytes:
        """Return the command's payload, its identifier first."""
        options = (self.many_to_one & 3) << 3 | (self.dst_ieee is not None) << 5 | self.multicast << 6
        return (
            bytes((NwkCommand.ROUTE_REQUEST, options))
            + uint(self.id, 1, "The route request id")
            + uint(self.dst, 2, "The destination")
            + uint(self.path_cost, 1, "The path cost")
            + (b"" if self.dst_ieee is None else uint(self.dst_ieee, 8, "The destination's EUI64"))
        )


@dataclass(frozen=True, slots=True)
class RouteReply:
    """Route-Reply, specification 3.4.2."""

    id: int
    originator: int
    responder: int
    path_cost: int
    originator_ieee: int | None = None
    responder_ieee: int | None = None
    multicast: bool = False

    def encode(self) -> bytes:
        """Return the command's payload, its identifier first."""
        options = (
            (self.originator_ieee is not None) << 4
            | (self.responder_ieee is not None) << 5
            | self.multicast << 6
        )
        return (
            bytes((NwkCommand.ROUTE_REPLY, options))
            + uint(self.id, 1, "The route request id")
            + uint(self.originator, 2, "The originator")
            + uint(self.responder, 2, "The responder")
            + uint(self.path_cost, 1, "The path cost")
            + (
                b""
                if self.originator_ieee is None
                else uint(self.originator_ieee, 8, "The originator's EUI64")
            )
            + (b"" if self.responder_ieee is None else uint(self.responder_ieee, 8, "The responder's EUI64"))
        )


class Status(IntEnum):
    """Some codes of :class:`NetworkStatus`. Specification table 3-51."""

    NO_ROUTE = 0x00
    TREE_LINK_FAILURE = 0x01
    NON_TREE_LINK_FAILURE = 0x02
    SOURCE_ROUTE_FAILURE = 0x0B
    MANY_TO_ONE_FAILURE = 0x0C
    ADDRESS_CONFLICT = 0x0D
    BAD_KEY_SEQUENCE = 0x11
    BAD_FRAME_COUNTER = 0x12


@dataclass(frozen=True, slots=True)
class NetworkStatus:
    """Network-Status, specification 3.4.3: what went wrong on the way to `dst`."""

    status: int
    dst: int

    def encode(self) -> bytes:
        """Return the command's payload, its identifier first."""
        return (
            bytes((NwkCommand.NETWORK_STATUS,))
            + uint(self.status, 1, "The status")
            + uint(self.dst, 2, "The destination")
        )


@dataclass(frozen=True, slots=True)
class Leave:
    """Leave, specification 3.4.4. With `request` its receiver is told to leave, without it its sender leaves."""

    request: bool = False
    rejoin: bool = False
    remove_children: bool = False

    def encode(self) -> bytes:
        """Return the command's payload, its identifier first."""
        options = self.rejoin << 5 | self.request << 6 | self.remove_children << 7
        return bytes((NwkCommand.LEAVE, options))


@dataclass(frozen=True, slots=True)
class RouteRecord:
    """Route-Record, specification 3.4.5: the relays passed so far, the sender's neighbour first."""

    relays: tuple[int, ...] = ()

    def encode(self) -> bytes:
        """Return the command's payload, its identifier first."""
        return (
            bytes((NwkCommand.ROUTE_RECORD,))
            + uint(len(self.relays), 1, "The relay count")
            + b"".join(uint(relay, 2, "A relay") for relay in self.relays)
        )


@dataclass(frozen=True, slots=True)
class RejoinRequest:
    """Rejoin-Request, specification 3.4.6: the device's capability bits."""

    capability: int

    def encode(self) -> bytes:
        """Return the command's payload, its identifier first."""
        return bytes((NwkCommand.REJOIN_REQUEST,)) + uint(self.capability, 1, "The capability field")


@dataclass(frozen=True, slots=True)
class RejoinResponse:
    """Rejoin-Response, specification 3.4.7: the short address and a MAC association status."""

    short: int
    status: int

    def encode(self) -> bytes:
        """Return the command's payload, its identifier first."""
        return (
            bytes((NwkCommand.REJOIN_RESPONSE,))
            + uint(self.short, 2, "The short address")
            + uint(self.status, 1, "The status")
        )


@dataclass(frozen=True, slots=True)
class Link:
    """One neighbour in a Link-Status: costs 0 (unknown) to 7."""

    neighbour: int
    incoming_cost: int
    outgoing_cost: int


MAX_LINKS: Final = 31
"""Entries of one Link-Status: its count field has five bits. Specification 3.4.8.3.1."""


@dataclass(frozen=True, slots=True)
class LinkStatus:
    """Link-Status, specification 3.4.8; `first` and `last` frame of a list too long for one."""

    links: tuple[Link, ...] = ()
    first: bool = True
    last: bool = True

    def encode(self) -> bytes:
        """Return the command's payload, its identifier first."""
        if len(self.links) > MAX_LINKS:
            raise FrameError(f"A Link-Status holds at most {MAX_LINKS} neighbours.")
        options = len(self.links) | self.first << 5 | self.last << 6
        return bytes((NwkCommand.LINK_STATUS, options)) + b"".join(
            uint(link.neighbour, 2, "A neighbour")
            + bytes(((link.incoming_cost & 7) | (link.outgoing_cost & 7) << 4,))
            for link in self.links
        )


@dataclass(frozen=True, slots=True)
class EndDeviceTimeoutRequest:
    """End Device Timeout Request, specification 3.4.11; `timeout` 0: 10 s, n: 2**n minutes, at most 14."""

    timeout: int
    configuration: int = 0

    def encode(self) -> bytes:
        """Return the command's payload, its identifier first."""
        return (
            bytes((NwkCommand.END_DEVICE_TIMEOUT_REQUEST,))
            + uint(self.timeout, 1, "The timeout")
            + uint(self.configuration, 1, "The end device configuration")
        )


@dataclass(frozen=True, slots=True)
class EndDeviceTimeoutResponse:
    """End Device Timeout Response, specification 3.4.12.

    `parent_information` bit 0: keep-alive by MAC data polls, bit 1: by End Device Timeout Requests.
    """

    status: int
    parent_information: int

    def encode(self) -> bytes:
        """Return the command's payload, its identifier first."""
        return (
            bytes((NwkCommand.END_DEVICE_TIMEOUT_RESPONSE,))
            + uint(self.status, 1, "The status")
            + uint(self.parent_information, 1, "The parent information")
        )


@dataclass(frozen=True, slots=True)
class OtherCommand:
    """A command that is not taken apart (Network-Report, Network-Update, later ones)."""

    id: int
    payload: bytes = b""

    def encode(self) -> bytes:
        """Return the command's payload, its identifier first."""
        return uint(self.id, 1, "The command identifier") + self.payload


type NwkCommandPayload = (
    RouteRequest
    | RouteReply
    | NetworkStatus
    | Leave
    | RouteRecord
    | RejoinRequest
    | RejoinResponse
    | LinkStatus
    | EndDeviceTimeoutRequest
    | EndDeviceTimeoutResponse
    | OtherCommand
)


def decode_command(payload: bytes) -> NwkCommandPayload:
    """Read the plain payload of a command frame. Bytes after the known fields (later revisions' TLVs) are ignored."""
    reader = Reader(payload, "A network command")
    identifier = reader.u8()
    match identifier:
        case NwkCommand.ROUTE_REQUEST:
            options = reader.u8()
            return RouteRequest(
                id=reader.u8(),
                dst=reader.u16(),
                path_cost=reader.u8(),
                many_to_one=options >> 3 & 3,
                dst_ieee=reader.u64() if options & 0x20 else None,
                multicast=bool(options & 0x40),
            )
        case NwkCommand.ROUTE_REPLY:
            options = reader.u8()
            return RouteReply(
                id=reader.u8(),
                originator=reader.u16(),
                responder=reader.u16(),
                path_cost=reader.u8(),
                originator_ieee=reader.u64() if options & 0x10 else None,
                responder_ieee=reader.u64() if options & 0x20 else None,
                multicast=bool(options & 0x40),
            )
        case NwkCommand.NETWORK_STATUS:
            return NetworkStatus(reader.u8(), reader.u16())
        case NwkCommand.LEAVE:
            options = reader.u8()
            return Leave(bool(options & 0x40), bool(options & 0x20), bool(options & 0x80))
        case NwkCommand.ROUTE_RECORD:
            return RouteRecord(reader.u16_list(reader.u8()))
        case NwkCommand.REJOIN_REQUEST:
            return RejoinRequest(reader.u8())
        case NwkCommand.REJOIN_RESPONSE:
            return RejoinResponse(reader.u16(), reader.u8())
        case NwkCommand.LINK_STATUS:
            options = reader.u8()
            links = tuple(_link(reader.u16(), reader.u8()) for _ in range(options & MAX_LINKS))
            return LinkStatus(links, bool(options & 0x20), bool(options & 0x40))
        case NwkCommand.END_DEVICE_TIMEOUT_REQUEST:
            return EndDeviceTimeoutRequest(reader.u8(), reader.u8())
        case NwkCommand.END_DEVICE_TIMEOUT_RESPONSE:
            return EndDeviceTimeoutResponse(reader.u8(), reader.u8())
        case _:
            return OtherCommand(identifier, reader.rest())


def _link(neighbour: int, costs: int) -> Link:
    return Link(neighbour, costs & 7, costs >> 4 & 7)

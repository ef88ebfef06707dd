"""Device profile messages by which nodes find and describe each other. Zigbee specification 2.4.3.1 and 2.4.4.2."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import ClassVar, Final

from hubsec_emulated.wire._reader import Reader, uint

STACK_REVISION: Final = 22
"""Revision of the specification that the emulated nodes follow, told in the server mask."""


class ZdoStatus(IntEnum):
    """Status of a response. Specification table 2-133."""

    SUCCESS = 0x00
    INVALID_REQUEST_TYPE = 0x80
    DEVICE_NOT_FOUND = 0x81
    INVALID_ENDPOINT = 0x82
    NOT_ACTIVE = 0x83
    NOT_SUPPORTED = 0x84
    TIMEOUT = 0x85
    NO_MATCH = 0x86
    NO_ENTRY = 0x88
    NO_DESCRIPTOR = 0x89
    INSUFFICIENT_SPACE = 0x8A
    NOT_PERMITTED = 0x8B
    TABLE_FULL = 0x8C
    NOT_AUTHORIZED = 0x8D


class LogicalType(IntEnum):
    """What a node is. Specification table 2-29."""

    COORDINATOR = 0
    ROUTER = 1
    END_DEVICE = 2


SERVER_PRIMARY_TRUST_CENTER: Final = 0x0001
"""Server mask bit: this node is the trust center. Specification table 2-32."""
SERVER_NETWORK_MANAGER: Final = 0x0040
"""Server mask bit: this node manages the network's channel and PAN id."""
_REVISION_SHIFT: Final = 9
_FREQUENCY_2400_MHZ: Final = 0x08


@dataclass(frozen=True, slots=True)
class NodeDescriptor:
    """The node descriptor, specification 2.3.2.3. `server_mask` has the stack revision in bits 9 to 15."""

    logical_type: int
    capability: int
    manufacturer: int = 0
    server_mask: int = STACK_REVISION << _REVISION_SHIFT
    max_buffer: int = 82
    max_incoming: int = 82
    max_outgoing: int = 82
    descriptor_capability: int = 0
    frequency_band: int = _FREQUENCY_2400_MHZ
    aps_flags: int = 0
    optional_descriptors: int = 0

    @property
    def stack_revision(self) -> int:
        """Revision of the specification that the node follows; 0 before revision 21."""
        return self.server_mask >> _REVISION_SHIFT & 0x7F

    def encode(self) -> bytes:
        """Return the 13 bytes of the descriptor."""
        first = (self.logical_type & 7) | (self.optional_descriptors & 3) << 3
        second = (self.aps_flags & 7) | (self.frequency_band & 0x1F) << 3
        return (
            bytes((first, second))
            + uint(self.capability, 1, "The capability field")
            + uint(self.manufacturer, 2, "The manufacturer code")
            + uint(self.max_buffer, 1, "The buffer size")
            + uint(self.max_incoming, 2, "The incoming transfer size")
            + uint(self.server_mask, 2, "The server mask")
            + uint(self.max_outgoing, 2, "The outgoing transfer size")
            + uint(self.descriptor_capability, 1, "The descriptor capability")
        )

    @classmethod
    def read(cls, reader: Reader) -> NodeDescriptor:
        """Read a descriptor where `reader` stands."""
        first, second, capability, manufacturer = reader.u8(), reader.u8(), reader.u8(), reader.u16()
        max_buffer, max_incoming, server_mask, max_outgoing = (
            reader.u8(),
            reader.u16(),
            reader.u16(),
            reader.u16(),
        )
        return cls(
            logical_type=first & 7,
            capability=capability,
            manufacturer=manufacturer,
            server_mask=server_mask,
            max_buffer=max_buffer,
            max_incoming=max_incoming,
            max_outgoing=max_outgoing,
            descriptor_capability=reader.u8(),
            frequency_band=second >> 3,
            aps_flags=second & 7,
            optional_descriptors=first >> 3 & 3,
        )


@dataclass(frozen=True, slots=True)
class SimpleDescriptor:
    """The simple descriptor of one endpoint, specification 2.3.2.5."""

    endpoint: int
    profile: int
    device_id: int
    device_version: int = 0
    input_clusters: tuple[int, ...] = ()
    output_clusters: tuple[int, ...] = ()

    def encode(self) -> bytes:
        """Return the descriptor without its length."""
        return (
            uint(self.endpoint, 1, "The endpoint")
            + uint(self.profile, 2, "The profile")
            + uint(self.device_id, 2, "The device id")
            + uint(self.device_version, 1, "The device version")
            + _u16_list(self.input_clusters)
            + _u16_list(self.output_clusters)
        )

    @classmethod
    def read(cls, reader: Reader) -> SimpleDescriptor:
        """Read a descriptor where `reader` stands."""
        return cls(
            reader.u8(),
            reader.u16(),
            reader.u16(),
            reader.u8() & 15,
            reader.u16_list(reader.u8()),
            reader.u16_list(reader.u8()),
        )


@dataclass(frozen=True, slots=True)
class NwkAddrReq:
    """NWK_addr_req: who has this EUI64; `kind` 0 single, 1 extended (with children)."""

    CLUSTER: ClassVar[int] = 0x0000
    eui64: int
    kind: int = 0
    start: int = 0

    def body(self) -> bytes:
        """Return the message without its sequence number."""
        return (
            uint(self.eui64, 8, "The EUI64") + uint(self.kind, 1, "The kind") + uint(self.start, 1, "Start")
        )

    @classmethod
    def read(cls, reader: Reader) -> NwkAddrReq:
        """Read the message where `reader` stands."""
        return cls(reader.u64(), reader.u8(), reader.u8())


@dataclass(frozen=True, slots=True)
class IeeeAddrReq:
    """IEEE_addr_req: which EUI64 has this short address."""

    CLUSTER: ClassVar[int] = 0x0001
    short: int
    kind: int = 0
    start: int = 0

    def body(self) -> bytes:
        """Return the message without its sequence number."""
        return (
            uint(self.short, 2, "The address") + uint(self.kind, 1, "The kind") + uint(self.start, 1, "Start")
        )

    @classmethod
    def read(cls, reader: Reader) -> IeeeAddrReq:
        """Read the message where `reader` stands."""
        return cls(reader.u16(), reader.u8(), reader.u8())


@dataclass(frozen=True, slots=True)
class _AddrRsp:
    """What NWK_addr_rsp and IEEE_addr_rsp have in common; `children` only in an extended response."""

    status: int
    eui64: int = 0
    short: int = 0
    children: tuple[int, ...] | None = None
    start: int = 0

    def body(self) -> bytes:
        """Return the message without its sequence number."""
        head = (
            uint(self.status, 1, "The status")
            + uint(self.eui64, 8, "The EUI64")
            + uint(self.short, 2, "The address")
        )
        if self.children is None:
            return head
        head += uint(len(self.children), 1, "The number of children")
        if not self.children:
            return head
        return head + uint(self.start, 1, "Start") + b"".join(uint(c, 2, "A child") for c in self.children)


@dataclass(frozen=True, slots=True)
class NwkAddrRsp(_AddrRsp):
    """NWK_addr_rsp."""

    CLUSTER: ClassVar[int] = 0x8000

    @classmethod
    def read(cls, reader: Reader) -> NwkAddrRsp:
        """Read the message where `reader` stands."""
        return cls(*_read_addr_rsp(reader))


@dataclass(frozen=True, slots=True)
class IeeeAddrRsp(_AddrRsp):
    """IEEE_addr_rsp."""

    CLUSTER: ClassVar[int] = 0x8001

    @classmethod
    def read(cls, reader: Reader) -> IeeeAddrRsp:
        """Read the message where `reader` stands."""
        return cls(*_read_addr_rsp(reader))


def _read_addr_rsp(reader: Reader) -> tuple[int, int, int, tuple[int, ...] | None, int]:
    status, eui64, short = reader.u8(), reader.u64(), reader.u16()
    if not reader.left:
        return status, eui64, short, None, 0
    count = reader.u8()
    if not count:
        return status, eui64, short, (), 0
    start = reader.u8()
    return status, eui64, short, reader.u16_list(count), start


@dataclass(frozen=True, slots=True)
class _AboutNode:
    """A request about the node `short` that has no other field."""

    short: int

    def body(self) -> bytes:
        """Return the message without its sequence number."""
        return uint(self.short, 2, "The address of interest")


@dataclass(frozen=True, slots=True)
class NodeDescReq(_AboutNode):
    """Node_Desc_req."""

    CLUSTER: ClassVar[int] = 0x0002

    @classmethod
    def read(cls, reader: Reader) -> NodeDescReq:
        """Read the message where `reader` stands."""
        return cls(reader.u16())


@dataclass(frozen=True, slots=True)
class NodeDescRsp:
    """Node_Desc_rsp; `descriptor` is None when the status is not SUCCESS."""

    CLUSTER: ClassVar[int] = 0x8002
    status: int
    short: int
    descriptor: NodeDescriptor | None = None

    def body(self) -> bytes:
        """Return the message without its sequence number."""
        head = uint(self.status, 1, "The status") + uint(self.short, 2, "The address of interest")
        return head if self.descriptor is None else head + self.descriptor.encode()

    @classmethod
    def read(cls, reader: Reader) -> NodeDescRsp:
        """Read the message where `reader` stands."""
        status, short = reader.u8(), reader.u16()
        return cls(status, short, None if status else NodeDescriptor.read(reader))


@dataclass(frozen=True, slots=True)
class SimpleDescReq:
    """Simple_Desc_req."""

    CLUSTER: ClassVar[int] = 0x0004
    short: int
    endpoint: int

    def body(self) -> bytes:
        """Return the message without its sequence number."""
        return uint(self.short, 2, "The address of interest") + uint(self.endpoint, 1, "The endpoint")

    @classmethod
    def read(cls, reader: Reader) -> SimpleDescReq:
        """Read the message where `reader` stands."""
        return cls(reader.u16(), reader.u8())


@dataclass(frozen=True, slots=True)
class SimpleDescRsp:
    """Simple_Desc_rsp; `descriptor` is None when the status is not SUCCESS."""

    CLUSTER: ClassVar[int] = 0x8004
    status: int
    short: int
    descriptor: SimpleDescriptor | None = None

    def body(self) -> bytes:
        """Return the message without its sequence number."""
        described = b"" if self.descriptor is None else self.descriptor.encode()
        return (
            uint(self.status, 1, "The status")
            + uint(self.short, 2, "The address of interest")
            + uint(len(described), 1, "The length of the descriptor")
            + described
        )

    @classmethod
    def read(cls, reader: Reader) -> SimpleDescRsp:
        """Read the message where `reader` stands."""
        status, short = reader.u8(), reader.u16()
        if status:
            return cls(status, short)
        described = Reader(reader.take(reader.u8()), "A simple descriptor")
        return cls(status, short, SimpleDescriptor.read(described))


@dataclass(frozen=True, slots=True)
class ActiveEpReq(_AboutNode):
    """Active_EP_req."""

    CLUSTER: ClassVar[int] = 0x0005

    @classmethod
    def read(cls, reader: Reader) -> ActiveEpReq:
        """Read the message where `reader` stands."""
        return cls(reader.u16())


@dataclass(frozen=True, slots=True)
class _EndpointsRsp:
    """What Active_EP_rsp and Match_Desc_rsp have in common."""

    status: int
    short: int
    endpoints: tuple[int, ...] = ()

    def body(self) -> bytes:
        """Return the message without its sequence number."""
        return (
            uint(self.status, 1, "The status")
            + uint(self.short, 2, "The address of interest")
            + uint(len(self.endpoints), 1, "The number of endpoints")
            + b"".join(uint(endpoint, 1, "An endpoint") for endpoint in self.endpoints)
        )


@dataclass(frozen=True, slots=True)
class ActiveEpRsp(_EndpointsRsp):
    """Active_EP_rsp."""

    CLUSTER: ClassVar[int] = 0x8005

    @classmethod
    def read(cls, reader: Reader) -> ActiveEpRsp:
        """Read the message where `reader` stands."""
        return cls(*_read_endpoints(reader))


@dataclass(frozen=True, slots=True)
class MatchDescReq:
    """Match_Desc_req: which endpoints serve these clusters of this profile."""

    CLUSTER: ClassVar[int] = 0x0006
    short: int
    profile: int
    input_clusters: tuple[int, ...] = ()
    output_clusters: tuple[int, ...] = ()

    def body(self) -> bytes:
        """Return the message without its sequence number."""
        return (
            uint(self.short, 2, "The address of interest")
            + uint(self.profile, 2, "The profile")
            + _u16_list(self.input_clusters)
            + _u16_list(self.output_clusters)
        )

    @classmethod
    def read(cls, reader: Reader) -> MatchDescReq:
        """Read the message where `reader` stands."""
        return cls(reader.u16(), reader.u16(), reader.u16_list(reader.u8()), reader.u16_list(reader.u8()))


@dataclass(frozen=True, slots=True)
class MatchDescRsp(_EndpointsRsp):
    """Match_Desc_rsp."""

    CLUSTER: ClassVar[int] = 0x8006

    @classmethod
    def read(cls, reader: Reader) -> MatchDescRsp:
        """Read the message where `reader` stands."""
        return cls(*_read_endpoints(reader))


def _read_endpoints(reader: Reader) -> tuple[int, int, tuple[int, ...]]:
    status, short = reader.u8(), reader.u16()
    if status and not reader.left:
        return status, short, ()
    return status, short, tuple(reader.take(reader.u8()))


@dataclass(frozen=True, slots=True)
class DeviceAnnce:
    """Device_annce: I am here, under this short address."""

    CLUSTER: ClassVar[int] = 0x0013
    short: int
    eui64: int
    capability: int

    def body(self) -> bytes:
        """Return the message without its sequence number."""
        return (
            uint(self.short, 2, "The address")
            + uint(self.eui64, 8, "The EUI64")
            + uint(self.capability, 1, "The capability field")
        )

    @classmethod
    def read(cls, reader: Reader) -> DeviceAnnce:
        """Read the message where `reader` stands."""
        return cls(reader.u16(), reader.u64(), reader.u8())


@dataclass(frozen=True, slots=True)
class ParentAnnce:
    """Parent_annce: these are my children."""

    CLUSTER: ClassVar[int] = 0x001F
    children: tuple[int, ...] = ()

    def body(self) -> bytes:
        """Return the message without its sequence number."""
        return uint(len(self.children), 1, "The number of children") + b"".join(
            uint(child, 8, "A child") for child in self.children
        )

    @classmethod
    def read(cls, reader: Reader) -> ParentAnnce:
        """Read the message where `reader` stands."""
        return cls(tuple(reader.u64() for _ in range(reader.u8())))


@dataclass(frozen=True, slots=True)
class ParentAnnceRsp:
    """Parent_annce_rsp: no, those are mine."""

    CLUSTER: ClassVar[int] = 0x801F
    status: int
    children: tuple[int, ...] = ()

    def body(self) -> bytes:
        """Return the message without its sequence number."""
        return (
            uint(self.status, 1, "The status")
            + uint(len(self.children), 1, "The number of children")
            + b"".join(uint(child, 8, "A child") for child in self.children)
        )

    @classmethod
    def read(cls, reader: Reader) -> ParentAnnceRsp:
        """Read the message where `reader` stands."""
        return cls(reader.u8(), tuple(reader.u64() for _ in range(reader.u8())))


def _u16_list(values: tuple[int, ...]) -> bytes:
    return uint(len(values), 1, "The number of clusters") + b"".join(
        uint(value, 2, "A cluster") for value in values
    )

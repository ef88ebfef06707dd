"""Zigbee device profile messages: what nodes ask and tell each other about themselves (endpoint 0, profile 0).

Source: Zigbee specification revision 22, 2.4.3 (requests) and 2.4.4 (responses); each class names its cluster.
A payload is one transaction sequence number and the message: :func:`encode` and :func:`decode`. A response whose
status is not SUCCESS may leave its fields out; they then have their defaults.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import IntEnum
from typing import ClassVar, Final

from hubsec_emulated.errors import FrameError
from hubsec_emulated.wire._reader import Reader, uint

PROFILE: Final = 0x0000
"""Profile id of the Zigbee device profile."""
RESPONSE: Final = 0x8000
"""The bit that a response's cluster id has on top of its request's. Specification 2.4.4."""
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


@dataclass(frozen=True, slots=True)
class _StatusRsp:
    """A response that is only a status."""

    status: int

    def body(self) -> bytes:
        """Return the message without its sequence number."""
        return uint(self.status, 1, "The status")


_GROUP_MODE: Final = 1
_EUI64_MODE: Final = 3


@dataclass(frozen=True, slots=True)
class _Binding:
    """What Bind_req and Unbind_req have in common: `group` or `dst` with `dst_ep`."""

    src: int
    src_ep: int
    cluster: int
    dst: int | None = None
    dst_ep: int | None = None
    group: int | None = None

    def body(self) -> bytes:
        """Return the message without its sequence number."""
        head = (
            uint(self.src, 8, "The source")
            + uint(self.src_ep, 1, "The endpoint")
            + uint(self.cluster, 2, "Cluster")
        )
        if self.group is not None:
            return head + bytes((_GROUP_MODE,)) + uint(self.group, 2, "The group")
        if self.dst is None or self.dst_ep is None:
            raise FrameError("A binding needs a group, or a destination and its endpoint.")
        return (
            head
            + bytes((_EUI64_MODE,))
            + uint(self.dst, 8, "The destination")
            + uint(self.dst_ep, 1, "The endpoint")
        )


@dataclass(frozen=True, slots=True)
class BindReq(_Binding):
    """Bind_req."""

    CLUSTER: ClassVar[int] = 0x0021

    @classmethod
    def read(cls, reader: Reader) -> BindReq:
        """Read the message where `reader` stands."""
        return cls(*_read_binding(reader))


@dataclass(frozen=True, slots=True)
class BindRsp(_StatusRsp):
    """Bind_rsp."""

    CLUSTER: ClassVar[int] = 0x8021

    @classmethod
    def read(cls, reader: Reader) -> BindRsp:
        """Read the message where `reader` stands."""
        return cls(reader.u8())


@dataclass(frozen=True, slots=True)
class UnbindReq(_Binding):
    """Unbind_req."""

    CLUSTER: ClassVar[int] = 0x0022

    @classmethod
    def read(cls, reader: Reader) -> UnbindReq:
        """Read the message where `reader` stands."""
        return cls(*_read_binding(reader))


@dataclass(frozen=True, slots=True)
class UnbindRsp(_StatusRsp):
    """Unbind_rsp."""

    CLUSTER: ClassVar[int] = 0x8022

    @classmethod
    def read(cls, reader: Reader) -> UnbindRsp:
        """Read the message where `reader` stands."""
        return cls(reader.u8())


def _read_binding(reader: Reader) -> tuple[int, int, int, int | None, int | None, int | None]:
    src, src_ep, cluster, mode = reader.u64(), reader.u8(), reader.u16(), reader.u8()
    if mode == _GROUP_MODE:
        return src, src_ep, cluster, None, None, reader.u16()
    if mode == _EUI64_MODE:
        return src, src_ep, cluster, reader.u64(), reader.u8(), None
    raise FrameError(f"Binding to address mode {mode} is unknown.")


@dataclass(frozen=True, slots=True)
class MgmtLqiReq:
    """Mgmt_Lqi_req: the neighbour table, from entry `start` on."""

    CLUSTER: ClassVar[int] = 0x0031
    start: int = 0

    def body(self) -> bytes:
        """Return the message without its sequence number."""
        return uint(self.start, 1, "Start")

    @classmethod
    def read(cls, reader: Reader) -> MgmtLqiReq:
        """Read the message where `reader` stands."""
        return cls(reader.u8())


@dataclass(frozen=True, slots=True)
class Neighbor:
    """One neighbour. Specification table 2-130: `relationship` 0 parent, 1 child, 2 sibling, 3 none; flags 2: unknown."""

    extended_pan_id: int
    eui64: int
    short: int
    logical_type: int
    rx_on_when_idle: int
    relationship: int
    permit_joining: int
    depth: int
    lqi: int

    def encode(self) -> bytes:
        """Return the entry's 22 bytes."""
        kind = (self.logical_type & 3) | (self.rx_on_when_idle & 3) << 2 | (self.relationship & 7) << 4
        return (
            uint(self.extended_pan_id, 8, "The extended PAN id")
            + uint(self.eui64, 8, "The EUI64")
            + uint(self.short, 2, "The address")
            + bytes((kind, self.permit_joining & 3))
            + uint(self.depth, 1, "The depth")
            + uint(self.lqi, 1, "The link quality")
        )

    @classmethod
    def read(cls, reader: Reader) -> Neighbor:
        """Read an entry where `reader` stands."""
        extended_pan_id, eui64, short, kind = reader.u64(), reader.u64(), reader.u16(), reader.u8()
        return cls(
            extended_pan_id,
            eui64,
            short,
            kind & 3,
            kind >> 2 & 3,
            kind >> 4 & 7,
            reader.u8() & 3,
            reader.u8(),
            reader.u8(),
        )


@dataclass(frozen=True, slots=True)
class MgmtLqiRsp:
    """Mgmt_Lqi_rsp: `neighbors` of a table of `total`."""

    CLUSTER: ClassVar[int] = 0x8031
    status: int
    total: int = 0
    start: int = 0
    neighbors: tuple[Neighbor, ...] = ()

    def body(self) -> bytes:
        """Return the message without its sequence number."""
        return _table(self.status, self.total, self.start, [entry.encode() for entry in self.neighbors])

    @classmethod
    def read(cls, reader: Reader) -> MgmtLqiRsp:
        """Read the message where `reader` stands."""
        status = reader.u8()
        if status:
            return cls(status)
        total, start = reader.u8(), reader.u8()
        return cls(status, total, start, tuple(Neighbor.read(reader) for _ in range(reader.u8())))


@dataclass(frozen=True, slots=True)
class MgmtRtgReq:
    """Mgmt_Rtg_req: the routing table, from entry `start` on."""

    CLUSTER: ClassVar[int] = 0x0032
    start: int = 0

    def body(self) -> bytes:
        """Return the message without its sequence number."""
        return uint(self.start, 1, "Start")

    @classmethod
    def read(cls, reader: Reader) -> MgmtRtgReq:
        """Read the message where `reader` stands."""
        return cls(reader.u8())


@dataclass(frozen=True, slots=True)
class Route:
    """One route. `status` 0 active, 1 discovery under way, 2 discovery failed, 3 inactive. Specification table 2-132."""

    dst: int
    status: int
    next_hop: int
    memory_constrained: bool = False
    many_to_one: bool = False
    route_record_required: bool = False

    def encode(self) -> bytes:
        """Return the entry's five bytes."""
        flags = (
            (self.status & 7)
            | self.memory_constrained << 3
            | self.many_to_one << 4
            | self.route_record_required << 5
        )
        return uint(self.dst, 2, "The destination") + bytes((flags,)) + uint(self.next_hop, 2, "The next hop")

    @classmethod
    def read(cls, reader: Reader) -> Route:
        """Read an entry where `reader` stands."""
        dst, flags, next_hop = reader.u16(), reader.u8(), reader.u16()
        return cls(dst, flags & 7, next_hop, bool(flags & 8), bool(flags & 16), bool(flags & 32))


@dataclass(frozen=True, slots=True)
class MgmtRtgRsp:
    """Mgmt_Rtg_rsp: `routes` of a table of `total`."""

    CLUSTER: ClassVar[int] = 0x8032
    status: int
    total: int = 0
    start: int = 0
    routes: tuple[Route, ...] = ()

    def body(self) -> bytes:
        """Return the message without its sequence number."""
        return _table(self.status, self.total, self.start, [entry.encode() for entry in self.routes])

    @classmethod
    def read(cls, reader: Reader) -> MgmtRtgRsp:
        """Read the message where `reader` stands."""
        status = reader.u8()
        if status:
            return cls(status)
        total, start = reader.u8(), reader.u8()
        return cls(status, total, start, tuple(Route.read(reader) for _ in range(reader.u8())))


@dataclass(frozen=True, slots=True)
class MgmtLeaveReq:
    """Mgmt_Leave_req: `eui64` is to leave; 0 is the receiver itself."""

    CLUSTER: ClassVar[int] = 0x0034
    eui64: int
    remove_children: bool = False
    rejoin: bool = False

    def body(self) -> bytes:
        """Return the message without its sequence number."""
        return uint(self.eui64, 8, "The EUI64") + bytes((self.remove_children << 6 | self.rejoin << 7,))

    @classmethod
    def read(cls, reader: Reader) -> MgmtLeaveReq:
        """Read the message where `reader` stands."""
        eui64, flags = reader.u64(), reader.u8()
        return cls(eui64, bool(flags & 0x40), bool(flags & 0x80))


@dataclass(frozen=True, slots=True)
class MgmtLeaveRsp(_StatusRsp):
    """Mgmt_Leave_rsp."""

    CLUSTER: ClassVar[int] = 0x8034

    @classmethod
    def read(cls, reader: Reader) -> MgmtLeaveRsp:
        """Read the message where `reader` stands."""
        return cls(reader.u8())


@dataclass(frozen=True, slots=True)
class MgmtPermitJoiningReq:
    """Mgmt_Permit_Joining_req: open for `duration` seconds; 0 closes."""

    CLUSTER: ClassVar[int] = 0x0036
    duration: int
    tc_significance: int = 1

    def body(self) -> bytes:
        """Return the message without its sequence number."""
        return uint(self.duration, 1, "The duration") + uint(self.tc_significance, 1, "The significance")

    @classmethod
    def read(cls, reader: Reader) -> MgmtPermitJoiningReq:
        """Read the message where `reader` stands."""
        return cls(reader.u8(), reader.u8())


@dataclass(frozen=True, slots=True)
class MgmtPermitJoiningRsp(_StatusRsp):
    """Mgmt_Permit_Joining_rsp."""

    CLUSTER: ClassVar[int] = 0x8036

    @classmethod
    def read(cls, reader: Reader) -> MgmtPermitJoiningRsp:
        """Read the message where `reader` stands."""
        return cls(reader.u8())


@dataclass(frozen=True, slots=True)
class OtherMessage:
    """A message of a cluster that is not taken apart; a node answers a request of these with NOT_SUPPORTED."""

    cluster: int
    payload: bytes = field(default=b"")

    @property
    def CLUSTER(self) -> int:  # noqa: N802  (named like the class attribute of the others)
        """The message's cluster id."""
        return self.cluster

    def body(self) -> bytes:
        """Return the message without its sequence number."""
        return self.payload


type ZdoMessage = (
    NwkAddrReq
    | NwkAddrRsp
    | IeeeAddrReq
    | IeeeAddrRsp
    | NodeDescReq
    | NodeDescRsp
    | SimpleDescReq
    | SimpleDescRsp
    | ActiveEpReq
    | ActiveEpRsp
    | MatchDescReq
    | MatchDescRsp
    | DeviceAnnce
    | ParentAnnce
    | ParentAnnceRsp
    | BindReq
    | BindRsp
    | UnbindReq
    | UnbindRsp
    | MgmtLqiReq
    | MgmtLqiRsp
    | MgmtRtgReq
    | MgmtRtgRsp
    | MgmtLeaveReq
    | MgmtLeaveRsp
    | MgmtPermitJoiningReq
    | MgmtPermitJoiningRsp
    | OtherMessage
)

_READERS: Final[dict[int, Callable[[Reader], ZdoMessage]]] = {
    message.CLUSTER: message.read
    for message in (
        NwkAddrReq,
        NwkAddrRsp,
        IeeeAddrReq,
        IeeeAddrRsp,
        NodeDescReq,
        NodeDescRsp,
        SimpleDescReq,
        SimpleDescRsp,
        ActiveEpReq,
        ActiveEpRsp,
        MatchDescReq,
        MatchDescRsp,
        DeviceAnnce,
        ParentAnnce,
        ParentAnnceRsp,
        BindReq,
        BindRsp,
        UnbindReq,
        UnbindRsp,
        MgmtLqiReq,
        MgmtLqiRsp,
        MgmtRtgReq,
        MgmtRtgRsp,
        MgmtLeaveReq,
        MgmtLeaveRsp,
        MgmtPermitJoiningReq,
        MgmtPermitJoiningRsp,
    )
}


def encode(sequence: int, message: ZdoMessage) -> bytes:
    """Return the APS payload of `message` under the transaction sequence number."""
    return uint(sequence, 1, "The transaction sequence number") + message.body()


def decode(cluster: int, payload: bytes) -> tuple[int, ZdoMessage]:
    """Read an APS payload of profile 0: its transaction sequence number and the message.

    Bytes after the known fields (later revisions' TLVs) are ignored. A cluster that is not known gives
    :class:`OtherMessage`.
    """
    reader = Reader(payload, f"The device profile message 0x{cluster:04x}")
    sequence = reader.u8()
    read = _READERS.get(cluster)
    if read is None:
        return sequence, OtherMessage(cluster, reader.rest())
    return sequence, read(reader)


def _u16_list(values: tuple[int, ...]) -> bytes:
    return uint(len(values), 1, "The number of clusters") + b"".join(
        uint(value, 2, "A cluster") for value in values
    )


def _table(status: int, total: int, start: int, entries: list[bytes]) -> bytes:
    head = uint(status, 1, "The status")
    if status:
        return head
    return (
        head
        + uint(total, 1, "The table's size")
        + uint(start, 1, "Start")
        + uint(len(entries), 1, "The number of entries")
        + b"".join(entries)
    )

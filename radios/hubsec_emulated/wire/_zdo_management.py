"""Device profile messages by which nodes are bound and managed. Zigbee specification 2.4.3.2 and 2.4.3.3."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Final

from hubsec_emulated.errors import FrameError
from hubsec_emulated.wire._reader import Reader, uint


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
    """One neighbour: `relationship` 0 parent, 1 child, 2 sibling, 3 none; flags are 2 when unknown.

    Specification table 2-130.
    """

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
    """One route: `status` 0 active, 1 discovery under way, 2 discovery failed, 3 inactive.

    Specification table 2-132.
    """

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

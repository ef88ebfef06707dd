"""Zigbee device profile messages: what nodes ask and tell each other about themselves (endpoint 0, profile 0).

Source: Zigbee specification revision 22, 2.4.3 (requests) and 2.4.4 (responses); each class names its cluster.
A payload is one transaction sequence number and the message: :func:`encode` and :func:`decode`. A response whose
status is not SUCCESS may leave its fields out; they then have their defaults.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from hubsec_emulated.wire._reader import Reader, uint
from hubsec_emulated.wire._zdo_discovery import (
    SERVER_NETWORK_MANAGER,
    SERVER_PRIMARY_TRUST_CENTER,
    STACK_REVISION,
    ActiveEpReq,
    ActiveEpRsp,
    DeviceAnnce,
    IeeeAddrReq,
    IeeeAddrRsp,
    LogicalType,
    MatchDescReq,
    MatchDescRsp,
    NodeDescReq,
    NodeDescriptor,
    NodeDescRsp,
    NwkAddrReq,
    NwkAddrRsp,
    ParentAnnce,
    ParentAnnceRsp,
    SimpleDescReq,
    SimpleDescriptor,
    SimpleDescRsp,
    ZdoStatus,
)
from hubsec_emulated.wire._zdo_management import (
    BindReq,
    BindRsp,
    MgmtLeaveReq,
    MgmtLeaveRsp,
    MgmtLqiReq,
    MgmtLqiRsp,
    MgmtPermitJoiningReq,
    MgmtPermitJoiningRsp,
    MgmtRtgReq,
    MgmtRtgRsp,
    Neighbor,
    Route,
    UnbindReq,
    UnbindRsp,
)

__all__ = [
    "PROFILE",
    "RESPONSE",
    "SERVER_NETWORK_MANAGER",
    "SERVER_PRIMARY_TRUST_CENTER",
    "STACK_REVISION",
    "ActiveEpReq",
    "ActiveEpRsp",
    "BindReq",
    "BindRsp",
    "DeviceAnnce",
    "IeeeAddrReq",
    "IeeeAddrRsp",
    "LogicalType",
    "MatchDescReq",
    "MatchDescRsp",
    "MgmtLeaveReq",
    "MgmtLeaveRsp",
    "MgmtLqiReq",
    "MgmtLqiRsp",
    "MgmtPermitJoiningReq",
    "MgmtPermitJoiningRsp",
    "MgmtRtgReq",
    "MgmtRtgRsp",
    "Neighbor",
    "NodeDescReq",
    "NodeDescRsp",
    "NodeDescriptor",
    "NwkAddrReq",
    "NwkAddrRsp",
    "OtherMessage",
    "ParentAnnce",
    "ParentAnnceRsp",
    "Route",
    "SimpleDescReq",
    "SimpleDescRsp",
    "SimpleDescriptor",
    "UnbindReq",
    "UnbindRsp",
    "ZdoMessage",
    "ZdoStatus",
    "decode",
    "encode",
]

PROFILE: Final = 0x0000
"""Profile id of the Zigbee device profile."""
RESPONSE: Final = 0x8000
"""The bit that a response's cluster id has on top of its request's. Specification 2.4.4."""


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

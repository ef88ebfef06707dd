"""The device profile of one node: answers about itself, bindings, and orders from the network (endpoint 0)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from hubsec_emulated.errors import FrameError
from hubsec_emulated.stack.aps import MAX_PAYLOAD
from hubsec_emulated.stack.interface import ApsIndication, DeliveryMode, Role
from hubsec_emulated.wire import zdo
from hubsec_emulated.wire.addresses import COORDINATOR, is_broadcast
from hubsec_emulated.wire.mac import Capability
from hubsec_emulated.wire.zdo import ZdoMessage, ZdoStatus

if TYPE_CHECKING:
    from hubsec_emulated.stack.node import Node

MAX_BINDINGS: Final = 16
"""Entries of a device's binding table; a common size in EmberZNet applications."""
LQI_ENTRIES: Final = 3
"""Neighbours that fit one Mgmt_Lqi_rsp."""
ROUTE_ENTRIES: Final = 10
"""Routes that fit one Mgmt_Rtg_rsp."""
_LOGICAL: Final = {
    Role.COORDINATOR: zdo.LogicalType.COORDINATOR,
    Role.ROUTER: zdo.LogicalType.ROUTER,
}
_PARENT, _CHILD, _SIBLING = 0, 1, 2
_UNKNOWN: Final = 2
_BEFORE_LEAVING: Final = 0.5


@dataclass(frozen=True, slots=True)
class Binding:
    """One entry of the binding table: where an endpoint's cluster reports to; a group or an EUI64 with endpoint."""

    src_ep: int
    cluster: int
    dst: int | None
    dst_ep: int | None
    group: int | None


class Zdo:
    """The device profile endpoint of one node."""

    def __init__(self, node: Node) -> None:
        self._node = node
        self.bindings: list[Binding] = []
        self.malformed = 0
        self.too_long = 0
        self._sequence = 0
        self._handlers: dict[type, Callable[[ApsIndication, ZdoMessage], ZdoMessage | None]] = {
            zdo.NodeDescReq: self._node_descriptor,
            zdo.ActiveEpReq: self._active_endpoints,
            zdo.SimpleDescReq: self._simple_descriptor,
            zdo.NwkAddrReq: self._nwk_address,
            zdo.IeeeAddrReq: self._ieee_address,
            zdo.MatchDescReq: self._match,
            zdo.BindReq: self._bind,
            zdo.UnbindReq: self._unbind,
            zdo.MgmtLqiReq: self._neighbour_table,
            zdo.MgmtRtgReq: self._routing_table,
            zdo.MgmtLeaveReq: self._leave,
            zdo.MgmtPermitJoiningReq: self._permit_joining,
            zdo.DeviceAnnce: self._announced,
            zdo.NodeDescRsp: self._node_descriptor_response,
        }

    def send(self, dst: int, message: ZdoMessage) -> None:
        """Send a request of our own; unicasts ask for an APS acknowledgement."""
        self._sequence = (self._sequence + 1) & 0xFF
        self._send(dst, message, self._sequence)

    def handle(self, indication: ApsIndication) -> None:
        """A device profile message for us: act on it and answer."""
        try:
            sequence, message = zdo.decode(indication.cluster, indication.payload)
        except FrameError:
            self.malformed += 1
            return
        handler = self._handlers.get(type(message))
        if handler is None:
            return
        answer = handler(indication, message)
        if answer is not None:
            self._send(indication.src, answer, sequence)

    def descriptor(self) -> zdo.NodeDescriptor:
        """Our node descriptor."""
        node = self._node
        mask = zdo.NodeDescriptor(0, 0).server_mask
        if node.role is Role.COORDINATOR:
            mask |= zdo.SERVER_PRIMARY_TRUST_CENTER | zdo.SERVER_NETWORK_MANAGER
        return zdo.NodeDescriptor(
            _LOGICAL.get(node.role, zdo.LogicalType.END_DEVICE),
            node.role.capability,
            manufacturer=node.manufacturer_code,
            server_mask=mask,
        )

    def _send(self, dst: int, message: ZdoMessage, sequence: int) -> None:
        payload = zdo.encode(sequence, message)
        if len(payload) > MAX_PAYLOAD:
            # A simple descriptor with too many clusters, which would have to be fragmented.
            self.too_long += 1
            return
        self._node.aps.send_data(
            dst=dst,
            profile=zdo.PROFILE,
            cluster=message.cluster if isinstance(message, zdo.OtherMessage) else message.CLUSTER,
            src_ep=0,
            dst_ep=0,
            payload=payload,
            aps_ack=not is_broadcast(dst),
        )

    def _is_me(self, indication: ApsIndication, short: int) -> bool:
        return short == self._node.nwk.short or is_broadcast(short)

    # Descriptors

    def _node_descriptor(self, indication: ApsIndication, message: ZdoMessage) -> ZdoMessage | None:
        if not isinstance(message, zdo.NodeDescReq):
            return None
        if not self._is_me(indication, message.short):
            return zdo.NodeDescRsp(ZdoStatus.DEVICE_NOT_FOUND, message.short)
        return zdo.NodeDescRsp(ZdoStatus.SUCCESS, self._node.nwk.short, self.descriptor())

    def _node_descriptor_response(self, indication: ApsIndication, message: ZdoMessage) -> ZdoMessage | None:
        if isinstance(message, zdo.NodeDescRsp) and indication.src == COORDINATOR:
            self._node.exchange.on_node_descriptor(message)
        return None

    def _active_endpoints(self, indication: ApsIndication, message: ZdoMessage) -> ZdoMessage | None:
        if not isinstance(message, zdo.ActiveEpReq):
            return None
        if not self._is_me(indication, message.short):
            return zdo.ActiveEpRsp(ZdoStatus.DEVICE_NOT_FOUND, message.short)
        endpoints = tuple(descriptor.endpoint for descriptor in self._node.endpoints)
        return zdo.ActiveEpRsp(ZdoStatus.SUCCESS, self._node.nwk.short, endpoints)

    def _simple_descriptor(self, indication: ApsIndication, message: ZdoMessage) -> ZdoMessage | None:
        if not isinstance(message, zdo.SimpleDescReq):
            return None
        if not self._is_me(indication, message.short):
            return zdo.SimpleDescRsp(ZdoStatus.DEVICE_NOT_FOUND, message.short)
        for descriptor in self._node.endpoints:
            if descriptor.endpoint == message.endpoint:
                return zdo.SimpleDescRsp(ZdoStatus.SUCCESS, self._node.nwk.short, descriptor)
        return zdo.SimpleDescRsp(ZdoStatus.NOT_ACTIVE, message.short)

    def _match(self, indication: ApsIndication, message: ZdoMessage) -> ZdoMessage | None:
        if not isinstance(message, zdo.MatchDescReq) or not self._is_me(indication, message.short):
            return None
        found = tuple(
            descriptor.endpoint
            for descriptor in self._node.endpoints
            if descriptor.profile == message.profile
            and (
                set(message.input_clusters) & set(descriptor.input_clusters)
                or set(message.output_clusters) & set(descriptor.output_clusters)
            )
        )
        if not found and indication.mode is not DeliveryMode.UNICAST:
            return None
        return zdo.MatchDescRsp(ZdoStatus.SUCCESS, self._node.nwk.short, found)

    # Addresses

    def _nwk_address(self, indication: ApsIndication, message: ZdoMessage) -> ZdoMessage | None:
        if not isinstance(message, zdo.NwkAddrReq):
            return None
        node = self._node
        if message.eui64 == node.eui64:
            return zdo.NwkAddrRsp(ZdoStatus.SUCCESS, node.eui64, node.nwk.short)
        child = node.neighbours.children.get(message.eui64)
        if child is not None and not child.router:
            return zdo.NwkAddrRsp(ZdoStatus.SUCCESS, child.eui64, child.short)
        if indication.mode is DeliveryMode.BROADCAST:
            return None
        return zdo.NwkAddrRsp(ZdoStatus.DEVICE_NOT_FOUND, message.eui64)

    def _ieee_address(self, indication: ApsIndication, message: ZdoMessage) -> ZdoMessage | None:
        if not isinstance(message, zdo.IeeeAddrReq):
            return None
        node = self._node
        if message.short == node.nwk.short:
            return zdo.IeeeAddrRsp(ZdoStatus.SUCCESS, node.eui64, node.nwk.short)
        child = node.neighbours.child_at(message.short)
        if child is not None:
            return zdo.IeeeAddrRsp(ZdoStatus.SUCCESS, child.eui64, child.short)
        return zdo.IeeeAddrRsp(ZdoStatus.DEVICE_NOT_FOUND, 0, message.short)

    def _announced(self, indication: ApsIndication, message: ZdoMessage) -> ZdoMessage | None:
        if isinstance(message, zdo.DeviceAnnce) and message.eui64 != self._node.eui64:
            node = self._node
            child = node.neighbours.children.get(message.eui64)
            if child is not None and child.short != message.short:
                node.parenting.child_moved(message.eui64)
            node.neighbours.learn(message.short, message.eui64)
            if message.capability & Capability.RX_ON_WHEN_IDLE:
                node.known_sleepy.discard(message.short)
            else:
                node.known_sleepy.add(message.short)
        return None

    # Bindings

    def _bind(self, indication: ApsIndication, message: ZdoMessage) -> ZdoMessage | None:
        if not isinstance(message, zdo.BindReq):
            return None
        binding = Binding(message.src_ep, message.cluster, message.dst, message.dst_ep, message.group)
        if message.src != self._node.eui64:
            return zdo.BindRsp(ZdoStatus.NOT_SUPPORTED)
        if binding not in self.bindings:
            if len(self.bindings) >= MAX_BINDINGS:
                return zdo.BindRsp(ZdoStatus.TABLE_FULL)
            self.bindings.append(binding)
        return zdo.BindRsp(ZdoStatus.SUCCESS)

    def _unbind(self, indication: ApsIndication, message: ZdoMessage) -> ZdoMessage | None:
        if not isinstance(message, zdo.UnbindReq):
            return None
        binding = Binding(message.src_ep, message.cluster, message.dst, message.dst_ep, message.group)
        if binding not in self.bindings:
            return zdo.UnbindRsp(ZdoStatus.NO_ENTRY)
        self.bindings.remove(binding)
        return zdo.UnbindRsp(ZdoStatus.SUCCESS)

    # Management

    def _neighbour_table(self, indication: ApsIndication, message: ZdoMessage) -> ZdoMessage | None:
        if not isinstance(message, zdo.MgmtLqiReq):
            return None
        node = self._node
        epid, depth = node.nwk.extended_pan_id, node.nwk.depth
        entries = [
            zdo.Neighbor(
                epid,
                child.eui64,
                child.short,
                zdo.LogicalType.ROUTER if child.router else zdo.LogicalType.END_DEVICE,
                int(child.rx_on),
                _CHILD,
                _UNKNOWN if child.router else 0,
                min(depth + 1, 15),
                255,
            )
            for child in node.neighbours.children.values()
        ]
        entries += [
            zdo.Neighbor(
                epid,
                router.eui64 or 0,
                router.short,
                zdo.LogicalType.COORDINATOR if router.short == COORDINATOR else zdo.LogicalType.ROUTER,
                1,
                _PARENT if router.short == node.nwk.parent else _SIBLING,
                _UNKNOWN,
                0 if router.short == COORDINATOR else 1,
                router.lqi,
            )
            for router in node.neighbours.routers.values()
            if node.neighbours.child_at(router.short) is None
        ]
        part = tuple(entries[message.start : message.start + LQI_ENTRIES])
        return zdo.MgmtLqiRsp(ZdoStatus.SUCCESS, len(entries), message.start, part)

    def _routing_table(self, indication: ApsIndication, message: ZdoMessage) -> ZdoMessage | None:
        if not isinstance(message, zdo.MgmtRtgReq):
            return None
        routes = [zdo.Route(dst, 0, hop) for dst, hop in self._node.routing.table().items()]
        part = tuple(routes[message.start : message.start + ROUTE_ENTRIES])
        return zdo.MgmtRtgRsp(ZdoStatus.SUCCESS, len(routes), message.start, part)

    def _leave(self, indication: ApsIndication, message: ZdoMessage) -> ZdoMessage | None:
        if not isinstance(message, zdo.MgmtLeaveReq):
            return None
        node = self._node
        if message.eui64 in (0, node.eui64):
            if node.role is Role.COORDINATOR:
                return zdo.MgmtLeaveRsp(ZdoStatus.NOT_SUPPORTED)
            node.later(_BEFORE_LEAVING, lambda: node.leave(rejoin=message.rejoin))
            return zdo.MgmtLeaveRsp(ZdoStatus.SUCCESS)
        if node.parenting.remove(message.eui64):
            return zdo.MgmtLeaveRsp(ZdoStatus.SUCCESS)
        return zdo.MgmtLeaveRsp(ZdoStatus.DEVICE_NOT_FOUND)

    def _permit_joining(self, indication: ApsIndication, message: ZdoMessage) -> ZdoMessage | None:
        if not isinstance(message, zdo.MgmtPermitJoiningReq):
            return None
        if self._node.role.routes:
            self._node.parenting.permit_joining(message.duration)
        if indication.mode is not DeliveryMode.UNICAST:
            return None
        return zdo.MgmtPermitJoiningRsp(ZdoStatus.SUCCESS)

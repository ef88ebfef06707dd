"""The device profile, asked from the coordinator as a host would."""

from __future__ import annotations

import pytest

from hubsec_emulated.errors import EmulationError
from hubsec_emulated.stack.interface import Role
from hubsec_emulated.stack.node import Node
from hubsec_emulated.stack.zdo import MAX_BINDINGS
from hubsec_emulated.wire import zdo
from hubsec_emulated.wire.zdo import SimpleDescriptor, ZdoMessage, ZdoStatus
from tests.emulated.stack.network import Network

NOBODY = 0x00FFFFFFFFFFFFFF
ELSEWHERE = 0x3333


def ask(network: Network, target: Node | int, message: ZdoMessage) -> list[ZdoMessage]:
    """Send a request; what came back."""
    network.received.clear()
    network.coordinator.zdo.send(target if isinstance(target, int) else target.nwk.short, message)
    network.run(2)
    return [
        zdo.decode(indication.cluster, indication.payload)[1]
        for indication in network.received
        if indication.profile == 0 and indication.cluster & zdo.RESPONSE
    ]


@pytest.fixture
def router(network: Network) -> Node:
    node = network.joined()
    node.endpoints = [
        SimpleDescriptor(1, 0x0104, 0x0100, input_clusters=(0, 6), output_clusters=(10,)),
        SimpleDescriptor(2, 0x0104, 0x0100, input_clusters=tuple(range(60))),
    ]
    return node


def test_descriptors(network: Network, router: Node) -> None:
    short = router.nwk.short
    (node,) = ask(network, router, zdo.NodeDescReq(short))
    assert node.descriptor.logical_type == zdo.LogicalType.ROUTER
    assert node.descriptor.capability == 0x8E
    assert node.descriptor.stack_revision == 22
    assert ask(network, router, zdo.ActiveEpReq(short)) == [zdo.ActiveEpRsp(0, short, (1, 2))]
    simple = zdo.SimpleDescReq(short, 1)
    assert ask(network, router, simple) == [zdo.SimpleDescRsp(0, short, router.endpoints[0])]
    (missing,) = ask(network, router, zdo.SimpleDescReq(short, 9))
    assert missing.status == ZdoStatus.NOT_ACTIVE
    assert ask(network, router, zdo.SimpleDescReq(short, 2)) == [], "too long for one frame"
    assert router.zdo.too_long == 1


@pytest.mark.parametrize(
    "request_",
    [zdo.NodeDescReq(ELSEWHERE), zdo.ActiveEpReq(ELSEWHERE), zdo.SimpleDescReq(ELSEWHERE, 1)],
)
def test_questions_about_somebody_else(network: Network, router: Node, request_: ZdoMessage) -> None:
    (answer,) = ask(network, router, request_)
    assert answer.status == ZdoStatus.DEVICE_NOT_FOUND


def test_matching_endpoints(network: Network, router: Node) -> None:
    short = router.nwk.short
    assert ask(network, router, zdo.MatchDescReq(short, 0x0104, (6,))) == [zdo.MatchDescRsp(0, short, (1, 2))]
    assert ask(network, router, zdo.MatchDescReq(short, 0x0104, (), (10,))) == [
        zdo.MatchDescRsp(0, short, (1,))
    ]
    assert ask(network, router, zdo.MatchDescReq(short, 0x0104, (0x500,))) == [zdo.MatchDescRsp(0, short, ())]
    assert ask(network, 0xFFFD, zdo.MatchDescReq(0xFFFD, 0x0104, (0x500,))) == []


def test_addresses_of_a_router_and_of_its_child(network: Network, router: Node) -> None:
    sensor = network.joined(Role.SLEEPY_END_DEVICE, parent=router)
    for device in (router, sensor):
        address = (device.eui64, device.nwk.short)
        assert ask(network, router, zdo.IeeeAddrReq(device.nwk.short)) == [zdo.IeeeAddrRsp(0, *address)]
        assert ask(network, router, zdo.NwkAddrReq(device.eui64)) == [zdo.NwkAddrRsp(0, *address)]
        assert ask(network, 0xFFFD, zdo.NwkAddrReq(device.eui64)) == [zdo.NwkAddrRsp(0, *address)]
    assert ask(network, router, zdo.NwkAddrReq(NOBODY))[0].status == ZdoStatus.DEVICE_NOT_FOUND
    assert ask(network, router, zdo.IeeeAddrReq(ELSEWHERE))[0].status == ZdoStatus.DEVICE_NOT_FOUND
    assert ask(network, 0xFFFD, zdo.NwkAddrReq(NOBODY)) == []


def test_bindings(network: Network, router: Node) -> None:
    def bind(cluster: int) -> zdo.BindReq:
        return zdo.BindReq(router.eui64, 1, cluster, network.coordinator.eui64, 1)

    assert ask(network, router, bind(6)) == ask(network, router, bind(6)) == [zdo.BindRsp(0)]
    assert len(router.zdo.bindings) == 1
    unbind = zdo.UnbindReq(router.eui64, 1, 6, network.coordinator.eui64, 1)
    assert ask(network, router, unbind) == [zdo.UnbindRsp(0)]
    assert ask(network, router, unbind) == [zdo.UnbindRsp(ZdoStatus.NO_ENTRY)]
    for cluster in range(MAX_BINDINGS):
        assert ask(network, router, bind(cluster)) == [zdo.BindRsp(0)]
    assert ask(network, router, bind(99)) == [zdo.BindRsp(ZdoStatus.TABLE_FULL)]
    stranger = zdo.BindReq(NOBODY, 1, 6, group=3)
    assert ask(network, router, stranger) == [zdo.BindRsp(ZdoStatus.NOT_SUPPORTED)]


def test_tables(network: Network, router: Node) -> None:
    sensor = network.joined(Role.SLEEPY_END_DEVICE, parent=router)
    network.run(40)
    (table,) = ask(network, router, zdo.MgmtLqiReq())
    assert table.total == 2
    by_address = {neighbour.short: neighbour for neighbour in table.neighbors}
    assert by_address[sensor.nwk.short].relationship == 1
    assert by_address[0].relationship == 0
    assert by_address[0].logical_type == zdo.LogicalType.COORDINATOR
    assert ask(network, router, zdo.MgmtLqiReq(2))[0].neighbors == ()
    assert ask(network, router, zdo.MgmtRtgReq())[0].status == 0


def test_leaving_by_order(network: Network, router: Node) -> None:
    sensor = network.joined(Role.SLEEPY_END_DEVICE, parent=router)
    assert ask(network, router, zdo.MgmtLeaveReq(NOBODY)) == [zdo.MgmtLeaveRsp(ZdoStatus.DEVICE_NOT_FOUND)]
    assert ask(network, 0, zdo.MgmtLeaveReq(0)) == [zdo.MgmtLeaveRsp(ZdoStatus.NOT_SUPPORTED)]
    assert ask(network, router, zdo.MgmtLeaveReq(sensor.eui64)) == [zdo.MgmtLeaveRsp(0)]
    network.until(lambda: not sensor.joined)
    assert ask(network, router, zdo.MgmtLeaveReq(0, rejoin=True)) == [zdo.MgmtLeaveRsp(0)]
    network.until(lambda: router.joined)
    assert ask(network, router, zdo.MgmtLeaveReq(router.eui64)) == [zdo.MgmtLeaveRsp(0)]
    network.run(3)
    assert router.keys.active is None


def test_permitting_by_order(network: Network, router: Node) -> None:
    network.run(200)
    assert not router.parenting.permit
    assert ask(network, router, zdo.MgmtPermitJoiningReq(60)) == [zdo.MgmtPermitJoiningRsp(0)]
    assert router.parenting.permit
    assert ask(network, 0xFFFC, zdo.MgmtPermitJoiningReq(0)) == []
    assert not router.parenting.permit


def test_what_makes_no_sense_or_is_not_known_is_not_answered(network: Network, router: Node) -> None:
    assert ask(network, router, zdo.OtherMessage(0x0038, b"\1")) == []
    network.coordinator.send_data(
        dst=router.nwk.short, profile=0, cluster=0x0004, src_ep=0, dst_ep=0, payload=b"\1"
    )
    network.run(1)
    assert router.zdo.malformed == 1


def test_a_message_under_a_link_key(network: Network, router: Node) -> None:
    network.coordinator.send_data(
        dst=router.nwk.short, profile=0x0104, cluster=6, src_ep=1, dst_ep=1, payload=b"\1", aps_security=True
    )
    network.run(1)
    assert [indication.aps_secured for indication in network.heard(router)] == [True]
    network.trust_center.default = None
    with pytest.raises(EmulationError, match="no link key"):
        network.coordinator.send_data(
            dst=ELSEWHERE, profile=0x0104, cluster=6, src_ep=1, dst_ep=1, payload=b"\1", aps_security=True
        )
    network.coordinator.stop()
    with pytest.raises(EmulationError, match="down"):
        network.coordinator.send_data(dst=0, profile=0, cluster=2, src_ep=0, dst_ep=0, payload=b"\1\0\0")


def test_a_group_is_heard_by_everybody_who_listens(network: Network, router: Node) -> None:
    network.coordinator.send_data(
        dst=0xFFFD, profile=0x0104, cluster=6, src_ep=1, dst_ep=0, payload=b"\1", group=0x22
    )
    network.run(1)
    assert [indication.group for indication in network.heard(router)] == [0x22]

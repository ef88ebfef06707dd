"""Behind routers: keys through tunnels, routes, broadcasts, children that move or are removed."""

from __future__ import annotations

import pytest

from hubsec_emulated.errors import EmulationError
from hubsec_emulated.stack.interface import DeviceUpdate, Role
from hubsec_emulated.stack.node import Node
from tests.emulated.stack.network import Network

REPORT = b"\x18\x01\x0a"


def chain(network: Network, length: int) -> list[Node]:
    """Routers that hear the one before and the one after alone."""
    routers: list[Node] = []
    path: list[Node] = [network.coordinator]
    for _ in range(length):
        before, router = path[-1], network.node()
        before.parenting.permit_joining(255)
        network.air.limit(before.mac, [node.mac for node in (*path[-2:-1], router)])
        network.air.limit(router.mac, [before.mac])
        router.power_on()
        network.until(lambda device=router: device.link_keys.verified)
        routers.append(router)
        path.append(router)
    return routers


@pytest.mark.parametrize("concentrator", [False, True])
def test_three_hops_up_and_down(network: Network, concentrator: bool) -> None:
    if concentrator:
        network.coordinator.set_concentrator(60)
    last = chain(network, 3)[-1]
    network.run(61)
    assert last.link_keys.verified, "Tunnel and Update-Device went through two routers"

    results: list[bool] = []
    network.send(last, network.coordinator, results)
    network.until(lambda: results)
    network.send(network.coordinator, last, results)
    network.until(lambda: len(results) == 2)
    assert results == [True, True]
    if concentrator:
        assert len(network.coordinator.routing.source_routes[last.nwk.short]) == 2


def test_a_parent_tells_the_trust_center_twice_and_each_is_answered(network: Network) -> None:
    router = network.joined()
    network.joined(Role.SLEEPY_END_DEVICE, parent=router)
    through = [join for join in network.trust_center.joins if join.parent == router.nwk.short]
    assert [join.status for join in through] == [DeviceUpdate.UNSECURED_JOIN] * 2


@pytest.mark.parametrize(("lqi", "behind_the_router"), [(255, False), (40, True)])
def test_a_device_joins_the_parent_that_it_hears_best(
    network: Network, lqi: int, behind_the_router: bool
) -> None:
    router = network.joined()
    router.parenting.permit_joining(255)
    device = network.node(Role.END_DEVICE)
    network.air.set_quality(device.mac, network.coordinator.mac, lqi)
    device.power_on()
    network.until(lambda: device.link_keys.verified)
    assert (device.nwk.parent == router.nwk.short) is behind_the_router


def test_a_broadcast_reaches_everybody_once(network: Network) -> None:
    routers = chain(network, 3)
    got: list[int] = []
    for router in routers:
        router.on_app_data = lambda indication, name=router.eui64: got.append(name)
    network.coordinator.send_data(
        dst=0xFFFD, profile=0x0104, cluster=6, src_ep=1, dst_ep=0xFF, payload=REPORT
    )
    network.run(5)
    assert sorted(got) == sorted(router.eui64 for router in routers)


def test_a_route_around_a_dead_router_is_found(network: Network) -> None:
    first, second = network.joined(), network.joined()
    last = network.joined(Role.ROUTER, parent=first)
    network.air.limit(last.mac, [first.mac, second.mac])
    network.run(40)
    first.power_off()

    results: list[bool] = []
    for _ in range(4):
        network.send(network.coordinator, last, results)
        network.run(15)
    assert results[-1] is True


def test_remove_device_makes_the_child_of_a_router_leave(network: Network) -> None:
    router = network.joined()
    sensor = network.joined(Role.SLEEPY_END_DEVICE, parent=router)
    key = network.trust_center.unique[router.eui64]
    network.coordinator.send_remove_device(router.nwk.short, router.eui64, sensor.eui64, key)
    network.until(lambda: not sensor.joined)
    network.run(3)
    assert sensor.keys.active is None
    assert network.trust_center.joins[-1].status is DeviceUpdate.LEFT
    assert network.trust_center.joins[-1].parent == router.nwk.short


def test_remove_device_without_a_link_key_is_ignored(network: Network) -> None:
    router = network.joined()
    network.coordinator.send_remove_device(router.nwk.short, router.eui64, router.eui64, bytes(16))
    network.run(5)
    assert router.joined


def test_a_device_whose_parent_dies_finds_another(network: Network) -> None:
    first, second = network.joined(), network.joined()
    sensor = network.joined(Role.SLEEPY_END_DEVICE, parent=first)
    network.air.limit(sensor.mac, [first.mac, second.mac])
    first.power_off()
    network.until(lambda: sensor.nwk.parent == second.nwk.short and sensor.joined, limit=120)
    network.run(2)
    assert network.trust_center.joins[-1].status is DeviceUpdate.SECURED_REJOIN

    results: list[bool] = []
    network.send(network.coordinator, sensor, results)
    network.until(lambda: results)
    assert results == [True]
    assert sensor.eui64 not in network.coordinator.children


def test_the_old_parent_forgets_a_child_that_moved(network: Network) -> None:
    router = network.joined()
    sensor = network.joined(Role.END_DEVICE)
    assert sensor.eui64 in network.coordinator.children
    network.air.limit(sensor.mac, [router.mac])
    sensor.rejoin(secured=True)
    network.until(lambda: sensor.joined and sensor.nwk.parent == router.nwk.short)
    network.run(5)
    assert sensor.eui64 not in network.coordinator.children
    assert sensor.eui64 in router.neighbours.children


def test_the_longest_payload_goes_without_its_source_route(network: Network) -> None:
    network.coordinator.set_concentrator(20)
    last = chain(network, 3)[-1]
    network.run(21)
    results: list[bool] = []
    network.send(last, network.coordinator, results)
    network.until(lambda: results)
    assert last.nwk.short in network.coordinator.routing.source_routes
    for length in (82, 60):
        network.coordinator.send_data(
            dst=last.nwk.short,
            profile=0x0104,
            cluster=6,
            src_ep=1,
            dst_ep=1,
            payload=bytes(length),
            aps_ack=True,
            on_result=results.append,
        )
        network.run(10)
    assert results == [True] * 3
    assert [len(indication.payload) for indication in network.heard(last)] == [82, 60]


def test_what_does_not_fit_is_not_sent(network: Network) -> None:
    router = network.joined()
    results: list[bool] = []
    network.coordinator.nwk.send(router.nwk.short, bytes(110), results.append)
    network.run(1)
    assert results[0] is False
    assert network.coordinator.mac.too_long > 0
    with pytest.raises(EmulationError, match="at most 82"):
        network.coordinator.send_data(
            dst=router.nwk.short, profile=0x0104, cluster=6, src_ep=1, dst_ep=1, payload=bytes(83)
        )

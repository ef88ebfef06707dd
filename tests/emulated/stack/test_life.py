"""Sleep, leave, rejoin, power: what happens after the join."""

from __future__ import annotations

import pytest

from hubsec_emulated.stack.interface import DeviceUpdate, Role
from tests.emulated.stack.network import Network

ROLES = [Role.ROUTER, Role.END_DEVICE, Role.SLEEPY_END_DEVICE]


def test_a_sleepy_device_gets_what_its_parent_kept(network: Network) -> None:
    sensor = network.joined(Role.SLEEPY_END_DEVICE)
    network.run(100)
    assert not sensor.mac.listening
    results: list[bool] = []
    network.send(network.coordinator, sensor, results)
    network.run(6)
    assert results == [True]
    assert [indication.payload for indication in network.heard(sensor)] == [b"\x01\x02"]


def test_what_nobody_fetches_is_dropped(network: Network) -> None:
    sensor = network.joined(Role.SLEEPY_END_DEVICE)
    sensor.polling.suspended = True
    results: list[bool] = []
    network.send(network.coordinator, sensor, results, aps_ack=False)
    network.run(8)
    assert results == [False]


@pytest.mark.parametrize("role", ROLES)
def test_a_device_leaves_and_joins_again_under_the_same_address(network: Network, role: Role) -> None:
    device = network.joined(role)
    short = device.nwk.short
    device.leave()
    network.run(2)
    assert not device.joined
    assert device.keys.active is None
    assert device.link_keys.trust_center_key is None
    assert network.trust_center.joins[-1].status is DeviceUpdate.LEFT
    assert device.eui64 not in network.coordinator.children

    device.power_off()
    device.power_on()
    network.until(lambda: device.link_keys.verified)
    assert device.nwk.short == short


@pytest.mark.parametrize("role", ROLES)
def test_power_off_and_on(network: Network, role: Role) -> None:
    device = network.joined(role)
    joins = len(network.trust_center.joins)
    device.power_off()
    network.run(20)
    assert not device.joined
    device.power_on()
    network.until(lambda: device.joined)
    network.run(2)
    results: list[bool] = []
    network.send(device, network.coordinator, results)
    network.until(lambda: results)
    assert results == [True]
    news = [join.status for join in network.trust_center.joins[joins:]]
    assert news == ([] if role is Role.ROUTER else [DeviceUpdate.SECURED_REJOIN])


@pytest.mark.parametrize("role", ROLES)
def test_a_secured_rejoin_keeps_the_keys(network: Network, role: Role) -> None:
    device = network.joined(role)
    key = device.link_keys.trust_center_key
    device.rejoin(secured=True)
    network.until(lambda: device.joined)
    assert device.link_keys.trust_center_key == key
    assert network.trust_center.joins[-1].status is DeviceUpdate.SECURED_REJOIN


@pytest.mark.parametrize("role", ROLES)
def test_an_unsecured_rejoin_brings_the_key_under_the_link_key(network: Network, role: Role) -> None:
    device = network.joined(role)
    device.rejoin(secured=False)
    network.until(lambda: device.joined)
    assert network.trust_center.joins[-1].status is DeviceUpdate.UNSECURED_REJOIN
    assert device.link_keys.verified


def test_a_parent_may_not_answer_an_unsecured_rejoin(network: Network) -> None:
    device = network.joined()
    network.trust_center.rejoin_unsecured = False
    device.rejoin(secured=False)
    network.run(30)
    assert not device.joined


def test_a_factory_reset_forgets_keys_but_no_counters(network: Network) -> None:
    device = network.joined()
    counter = device.keys.counter
    device.factory_reset()
    assert device.keys.active is None
    assert device.keys.counter == counter
    network.until(lambda: device.link_keys.verified)


def test_a_silent_child_ages_out_and_is_told_to_rejoin(network: Network) -> None:
    sensor = network.node(Role.SLEEPY_END_DEVICE)
    sensor.end_device_timeout = 0
    sensor.power_on()
    network.until(lambda: sensor.link_keys.verified)
    sensor.polling.suspended = True
    network.run(60)
    assert sensor.eui64 not in network.coordinator.children

    sensor.polling.suspended = False
    network.until(lambda: network.trust_center.joins[-1].status is DeviceUpdate.SECURED_REJOIN)
    network.until(lambda: sensor.joined)


def test_a_coordinator_goes_on_after_a_reset(network: Network) -> None:
    sensor = network.joined(Role.SLEEPY_END_DEVICE)
    coordinator = network.coordinator
    keys, counter = coordinator.keys.all(), coordinator.keys.counter
    coordinator.stop()
    assert not coordinator.joined
    coordinator.resume(
        eui64=coordinator.eui64,
        pan_id=0x1A62,
        extended_pan_id=0x00124B00AABBCCDD,
        channel=15,
        keys=keys,
        key_seq=0,
        nwk_counter=counter + 1000,
    )
    results: list[bool] = []
    network.send(coordinator, sensor, results)
    network.until(lambda: results)
    assert results == [True]
    assert not coordinator.parenting.permit


def test_an_end_device_that_listens_is_no_silent_child(network: Network) -> None:
    lock = network.node(Role.END_DEVICE)
    lock.end_device_timeout = 1
    lock.power_on()
    network.until(lambda: lock.link_keys.verified)
    network.run(1000)
    assert lock.eui64 in network.coordinator.children


def test_an_end_device_that_listens_misses_a_dead_parent(network: Network) -> None:
    first, second = network.joined(), network.joined()
    lock = network.joined(Role.END_DEVICE, parent=first)
    network.air.limit(lock.mac, [first.mac, second.mac])
    first.power_off()
    results: list[bool] = []
    network.send(lock, network.coordinator, results)
    network.until(lambda: lock.joined and lock.nwk.parent == second.nwk.short, limit=60)


def test_the_host_is_told_of_children_that_come_and_go(network: Network) -> None:
    told: list[tuple[int, bool]] = []
    network.coordinator.on_child = lambda child, present: told.append((child.eui64, present))
    sensor = network.joined(Role.SLEEPY_END_DEVICE)
    sensor.rejoin(secured=True)
    network.until(lambda: sensor.joined)
    sensor.leave()
    network.run(2)
    assert told == [(sensor.eui64, True), (sensor.eui64, True), (sensor.eui64, False)]

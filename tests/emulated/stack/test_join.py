"""Joins in virtual time."""

from __future__ import annotations

import pytest

from hubsec_emulated.stack.exchange import ExchangeStep
from hubsec_emulated.stack.interface import DeviceUpdate, Role
from hubsec_emulated.stack.joining import JoinState
from hubsec_emulated.wire.crypto import WELL_KNOWN_KEY
from tests.emulated.stack.network import Network

ROLES = [Role.ROUTER, Role.END_DEVICE, Role.SLEEPY_END_DEVICE]
INSTALL_CODE_KEY = bytes.fromhex("66B6900981E1EE3CA4206B6B861C02BB")


@pytest.mark.parametrize("role", ROLES)
def test_a_device_joins_and_gets_its_own_link_key(network: Network, role: Role) -> None:
    device = network.node(role)
    device.power_on()

    network.until(lambda: device.joined)
    assert device.keys.key == network.coordinator.keys.key
    network.until(lambda: device.link_keys.verified, limit=15.0)

    assert network.trust_center.verified == {device.eui64}
    assert device.link_keys.trust_center_key == network.trust_center.unique[device.eui64]
    assert [join.status for join in network.trust_center.joins] == [DeviceUpdate.UNSECURED_JOIN]


@pytest.mark.parametrize("role", ROLES)
def test_a_device_with_an_install_code_takes_the_key_under_it_alone(network: Network, role: Role) -> None:
    device = network.node(role, INSTALL_CODE_KEY)
    device.power_on()
    network.run(20)
    assert not device.joined
    assert device.joining.keyless >= 2
    assert len({join.short for join in network.trust_center.joins}) == 1, "one device, one short address"

    network.trust_center.allowed[device.eui64] = INSTALL_CODE_KEY
    network.until(lambda: device.link_keys.verified)


def test_a_device_with_two_keys_tries_the_second_on_its_second_association(network: Network) -> None:
    device = network.node(Role.ROUTER, INSTALL_CODE_KEY, WELL_KNOWN_KEY)
    device.power_on()
    network.until(lambda: device.joined)
    assert device.joining.associations == 2


def test_nobody_joins_a_closed_network(network: Network) -> None:
    network.coordinator.permit_joining(0)
    device = network.node()
    device.power_on()
    network.run(60)
    assert device.joining.associations == 0
    assert network.trust_center.joins == []


def test_the_permit_flag_closes_by_itself(network: Network) -> None:
    network.coordinator.permit_joining(30)
    network.run(29)
    assert network.coordinator.parenting.permit
    network.run(2)
    assert not network.coordinator.parenting.permit


def test_a_joiner_gives_up_after_its_time(network: Network) -> None:
    network.trust_center.default = None
    device = network.node()
    device.power_on()
    network.run(300)
    assert device.joining.state is JoinState.IDLE
    assert device.keys.active is None
    assert network.coordinator.children == {}, "a child without a key is forgotten"


def test_a_full_parent_takes_nobody_else(network: Network) -> None:
    network.coordinator.parenting.max_children = 1
    network.joined(Role.SLEEPY_END_DEVICE)
    late = network.node(Role.SLEEPY_END_DEVICE)
    late.power_on()
    network.run(30)
    assert not late.joined


def test_a_device_whose_exchange_is_not_answered_leaves(network: Network) -> None:
    device = network.node()
    network.trust_center.gives_link_keys = False
    device.power_on()
    network.until(lambda: device.joined)
    network.until(lambda: not device.joined, limit=40)
    network.run(1)
    assert device.exchange.step in (ExchangeStep.NONE, ExchangeStep.FAILED)
    assert device.keys.active is None
    assert network.trust_center.joins[-1].status is DeviceUpdate.LEFT


def test_an_old_device_never_asks_for_a_link_key(network: Network) -> None:
    device = network.node()
    device.exchanges_link_key = False
    device.power_on()
    network.run(62)
    assert device.joined
    assert device.exchange.step is ExchangeStep.NONE


def test_a_device_that_has_joined_opens_the_network_as_steering_wants(network: Network) -> None:
    network.coordinator.permit_joining(20)
    device = network.joined()
    network.run(30)
    assert network.coordinator.parenting.permit, "180 s from the device's Mgmt_Permit_Joining_req"
    assert device.parenting.permit, "its own flag, as well"


def test_a_seed_gives_the_same_run() -> None:
    def run() -> list[tuple[float, bytes]]:
        network = Network(seed=7, loss=0.1, delay=0.003, duplication=0.05)
        router = network.node()
        router.power_on()
        sensor = network.node(Role.SLEEPY_END_DEVICE)
        sensor.power_on()
        network.run(40)
        return [(transmission.time, transmission.psdu) for transmission in network.log]

    assert run() == run()

"""Joins in virtual time."""

from __future__ import annotations

import pytest

from hubsec_emulated.stack.interface import DeviceUpdate, Role


@pytest.mark.parametrize("role", [Role.ROUTER, Role.END_DEVICE, Role.SLEEPY_END_DEVICE])
def test_a_device_joins_and_gets_its_own_link_key(network, role):
    device = network.node(role)
    device.power_on()

    network.until(lambda: device.joined)
    assert device.keys.key == network.coordinator.keys.key
    network.until(lambda: device.link_keys.verified, limit=15.0)

    assert network.trust_center.verified == {device.eui64}
    assert device.link_keys.trust_center_key == network.trust_center.unique[device.eui64]
    assert [join.status for join in network.trust_center.joins] == [DeviceUpdate.UNSECURED_JOIN]

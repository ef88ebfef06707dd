"""Loss, delay and duplicates, seeded: slower, but the same outcome."""

from __future__ import annotations

import pytest

from hubsec_emulated.stack.interface import Role
from hubsec_emulated.wire.mac import MacType
from tests.emulated.stack.network import Network


@pytest.mark.parametrize("seed", range(12))
def test_everybody_gets_in_at_last(seed: int) -> None:
    network = Network(seed=seed, loss=0.2, delay=0.01, duplication=0.1)
    router, plug = network.node(), network.node(Role.END_DEVICE)
    sensor = network.node(Role.SLEEPY_END_DEVICE)
    for device in (router, plug, sensor):
        device.leaves_without_link_key = False
        device.power_on()
    network.until(lambda: all(device.joined for device in (router, plug, sensor)), limit=600)
    results: list[bool] = []
    for device in (router, plug, sensor):
        network.send(network.coordinator, device, results)
    network.run(60)
    assert results.count(True) >= 2
    for device in (router, plug, sensor):
        assert len(network.heard(device)) <= 1, "duplicates are rejected"


def test_duplicates_alone_change_nothing() -> None:
    network = Network(seed=3, duplication=1.0)
    device = network.joined(Role.SLEEPY_END_DEVICE)
    results: list[bool] = []
    network.send(network.coordinator, device, results)
    network.run(10)
    assert results == [True]
    assert len(network.heard(device)) == 1
    assert len(network.trust_center.joins) == 1


def test_a_frame_without_an_ack_is_sent_four_times(network: Network) -> None:
    router = network.joined()
    network.air.cut(router.mac, network.coordinator.mac)
    start = len(network.log)
    results: list[bool] = []
    network.send(network.coordinator, router, results, aps_ack=False)
    network.run(0.05)
    sent = [
        frame.psdu
        for frame in network.log[start:]
        if frame.frame.type is MacType.DATA and frame.frame.dst == router.nwk.short
    ]
    assert len(sent) == 4
    assert len(set(sent)) == 1


def test_an_unacknowledged_message_is_given_up(network: Network) -> None:
    router = network.joined()
    router.power_off()
    results: list[bool] = []
    network.send(network.coordinator, router, results)
    network.run(30)
    assert results == [False]
    assert not network.coordinator.aps.waiting

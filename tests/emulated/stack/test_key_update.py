"""Network keys that change: broadcast and unicast updates, who follows, what old keys still open."""

from __future__ import annotations

import pytest

from hubsec_emulated.stack.interface import Role
from hubsec_emulated.wire.security import secure_nwk
from tests.emulated.stack.network import NETWORK_KEY, Network

NEXT = bytes.fromhex("00112233445566778899AABBCCDDEEFF")
THIRD = bytes.fromhex("0F112233445566778899AABBCCDDEEFF")


def test_a_broadcast_update_moves_everybody(network: Network) -> None:
    router, plug = network.joined(), network.joined(Role.END_DEVICE)
    sensor = network.joined(Role.SLEEPY_END_DEVICE)
    network.update_network_key(NEXT, 1)
    network.run(10)
    for node in (network.coordinator, router, plug, sensor):
        assert (node.keys.active, node.keys.key) == (1, NEXT)
    results: list[bool] = []
    network.send(network.coordinator, sensor, results)
    network.until(lambda: results)
    assert results == [True]


def test_a_unicast_update_leaves_out_whom_it_does_not_name(network: Network) -> None:
    kept, evicted = network.joined(), network.joined()
    network.coordinator.stage_network_key(NEXT, 1)
    network.coordinator.send_network_key_update(
        kept.eui64, kept.nwk.short, network.trust_center.unique[kept.eui64], key=NEXT, key_seq=1
    )
    network.run(3)
    network.coordinator.switch_network_key(1)
    network.coordinator.send_switch_key(0xFFFF, 1)
    network.run(5)
    assert kept.keys.active == 1
    assert evicted.keys.active == 0
    assert NEXT not in evicted.keys.all().values()

    results: list[bool] = []
    network.send(network.coordinator, kept, results)
    network.send(network.coordinator, evicted, results)
    network.run(30)
    assert results == [True, False]


def test_the_first_frame_under_a_staged_key_switches_its_receiver(network: Network) -> None:
    router = network.joined()
    router.stage_network_key(NEXT, 1)
    network.coordinator.stage_network_key(NEXT, 1)
    network.coordinator.switch_network_key(1)
    network.coordinator.send_link_status()
    network.run(1)
    assert router.keys.active == 1


def test_an_old_key_opens_frames_until_its_slot_is_overwritten(network: Network) -> None:
    router = network.joined()
    old_frames = network.frames(router)
    network.update_network_key(NEXT, 1)
    network.run(5)
    assert network.coordinator.keys.get(0) == NETWORK_KEY

    frame = old_frames[-1]
    counter = network.coordinator.keys._seen[router.eui64, 0] + 100
    plain = network.coordinator.nwk.next_sequence()
    stale = type(frame)(frame.type, 0, router.nwk.short, 30, plain, security=True, payload=b"\x08\x00")
    psdu = secure_nwk(stale, NETWORK_KEY, 0, counter, router.eui64)
    before = dict(network.coordinator.nwk.dropped)
    network.inject(router, psdu)
    assert network.coordinator.nwk.dropped == before

    network.update_network_key(THIRD, 2)
    network.run(5)
    assert network.coordinator.keys.get(0) is None
    network.inject(router, secure_nwk(stale, NETWORK_KEY, 0, counter + 1, router.eui64))
    assert network.coordinator.nwk.dropped["security"] == before.get("security", 0) + 1


def test_counters_go_on_across_a_switch(network: Network) -> None:
    before = network.coordinator.keys.counter
    network.update_network_key(NEXT, 1)
    network.run(2)
    assert network.coordinator.keys.counter > before


def test_a_switch_to_a_key_that_is_not_held_changes_nothing(network: Network) -> None:
    router = network.joined()
    network.coordinator.send_switch_key(0xFFFF, 9)
    network.run(2)
    assert router.keys.active == 0


@pytest.mark.parametrize(
    ("active", "seq", "newer"), [(0, 1, True), (1, 0, False), (255, 0, True), (0, 200, False)]
)
def test_sequence_numbers_wrap(network: Network, active: int, seq: int, newer: bool) -> None:
    keys = network.coordinator.keys
    keys.install(NEXT, active)
    assert keys.is_newer(seq) is newer


def test_a_key_from_anybody_but_the_trust_center_is_ignored(network: Network) -> None:
    first, second = network.joined(), network.joined()
    from hubsec_emulated.wire.aps import NetworkKey, TransportKey

    forged = TransportKey(NetworkKey(NEXT, 1, 0, network.coordinator.eui64)).encode()
    first.aps.send_command(0xFFFF, forged)
    network.run(3)
    assert second.keys.get(1) is None

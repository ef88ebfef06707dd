"""Frames that are forged, repeated or broken change nothing, and are counted."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hubsec_emulated.stack.interface import Role
from hubsec_emulated.wire.addresses import NO_PAN
from hubsec_emulated.wire.aps import NetworkKey, TransportKey
from hubsec_emulated.wire.mac import MacFrame, MacType
from hubsec_emulated.wire.nwk import Leave, NwkFrame, NwkType, RejoinResponse
from hubsec_emulated.wire.security import KeyId
from tests.emulated.stack.network import Network


def test_a_recorded_frame_is_not_taken_twice(network: Network) -> None:
    router = network.joined()
    results: list[bool] = []
    network.received.clear()
    network.send(router, network.coordinator, results)
    network.run(1)
    sent = [
        transmission
        for transmission in network.log
        if transmission.sender == router.name and transmission.frame.type is MacType.DATA
    ]
    assert [indication.cluster for indication in network.received] == [6]

    network.run(60)
    network.received.clear()
    replays = network.coordinator.keys.replays
    for transmission in sent:
        network.inject(router, transmission.frame.payload)
    assert network.received == []
    assert network.coordinator.keys.replays == replays + len(sent)


def test_an_unsecured_leave_is_ignored(network: Network) -> None:
    router = network.joined()
    leave = NwkFrame(
        NwkType.COMMAND, router.nwk.short, 0, 1, 1, src_ieee=1, payload=Leave(request=True).encode()
    )
    network.inject(network.coordinator, leave.encode(), to=router)
    network.run(2)
    assert router.joined
    assert router.nwk.dropped["unsecured"] == 1


def test_an_unsecured_network_key_is_ignored_once_joined(network: Network) -> None:
    router = network.joined()
    key = router.keys.key
    command = TransportKey(NetworkKey(bytes(16), 9, router.eui64, network.coordinator.eui64)).encode()
    network.coordinator.aps.send_command(
        router.nwk.short,
        command,
        key=network.trust_center.unique[router.eui64],
        key_id=KeyId.KEY_TRANSPORT,
        nwk_secure=False,
    )
    network.run(2)
    assert router.keys.key == key
    assert router.keys.get(9) is None


def test_a_rejoin_response_that_nobody_asked_for_is_ignored(network: Network) -> None:
    router = network.joined()
    short = router.nwk.short
    response = NwkFrame(
        NwkType.COMMAND, short, 0, 1, 1, src_ieee=1, payload=RejoinResponse(0x1234, 0).encode()
    )
    network.inject(network.coordinator, response.encode(), to=router)
    network.run(2)
    assert router.nwk.short == short


def test_a_leave_request_of_a_stranger_in_the_network_is_ignored(network: Network) -> None:
    one, other = network.joined(), network.joined()
    one.nwk.send(other.nwk.short, Leave(request=True).encode(), command=True)
    network.run(5)
    assert other.joined


def test_a_request_key_under_no_link_key_is_ignored(network: Network) -> None:
    router = network.joined()
    asked = len(network.trust_center.requests)
    router.aps.send_command(0, b"\x08\x04")
    router.aps.send_command(0, b"\x08\x04", key=bytes(16))
    network.run(2)
    assert len(network.trust_center.requests) == asked


def test_a_request_key_repeated_by_a_listener_is_ignored(network: Network) -> None:
    router = network.joined()
    key = network.trust_center.unique[router.eui64]
    frame = network.apdu(router, b"\x08\x04", key)
    asked = len(network.trust_center.requests)
    for _ in range(2):
        router.nwk.send(0, frame)
        network.run(10)
    assert len(network.trust_center.requests) == asked + 1


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60, deadline=None)
@given(
    payload=st.binary(max_size=90),
    command=st.booleans(),
    layer=st.sampled_from(["mac", "nwk", "nwk secured", "aps", "aps secured", "zdo"]),
)
def test_whatever_a_device_sends_the_others_go_on(payload: bytes, command: bool, layer: str) -> None:
    network = Network()
    router = network.joined()
    sensor = network.joined(Role.END_DEVICE)
    match layer:
        case "mac":
            kind = MacType.COMMAND if command else MacType.DATA
            router.mac.send_frame(
                MacFrame(kind, 0, dst_pan=NO_PAN, dst=0, src_pan=NO_PAN, src=1, payload=payload)
            )
        case "nwk":
            router.mac.send(0, payload)
        case "nwk secured":
            router.nwk.send(0, payload, command=command)
            router.nwk.send(0xFFFF, payload, command=command)
        case "aps":
            router.nwk.send(0, payload)
        case "aps secured":
            router.aps.send_command(0, payload, key=network.trust_center.unique[router.eui64])
            router.aps.send_command(0, payload)
        case _:
            cluster = payload[0] << 8 | payload[-1] if payload else 0
            router.aps.send_data(dst=0, profile=0, cluster=cluster, src_ep=0, dst_ep=0, payload=payload[:80])
    network.run(2)
    results: list[bool] = []
    network.send(network.coordinator, sensor, results)
    network.run(3)
    assert results == [True]


@pytest.mark.parametrize("role", [Role.ROUTER, Role.SLEEPY_END_DEVICE])
def test_secrets_stay_out_of_reprs(network: Network, role: Role) -> None:
    device = network.joined(role)
    text = repr(device) + repr(device.keys) + repr(device.link_keys) + repr(network.received)
    for secret in (device.keys.key, device.link_keys.trust_center_key):
        assert secret is not None
        assert secret.hex() not in text
        assert repr(secret) not in text

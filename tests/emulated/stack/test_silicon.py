"""The emulated joins are those of EmberZNet on silicon, step by step.

The lists are read from captures of real devices (tests/oracles/test_silicon_steps.py holds the reader to them).
"""

from __future__ import annotations

from collections.abc import Callable

import pytest

from hubsec_emulated.capture.pcap import CapturedFrame
from hubsec_emulated.stack.interface import Role
from hubsec_emulated.stack.node import Node
from hubsec_emulated.wire.crypto import WELL_KNOWN_KEY
from hubsec_emulated.wire.mac import MacCommand, MacFrame, MacType
from hubsec_emulated.wire.nwk import NwkFrame, NwkType
from tests.emulated.stack.network import Network
from tests.oracles.silicon import Step, join_steps

INSTALL_CODE_KEY = bytes.fromhex("66B6900981E1EE3CA4206B6B861C02BB")
ASSOCIATION = [
    Step("AssociationRequest", "device>parent", None, None),
    Step("AssociationResponse", "parent>device", None, None),
]
NETWORK_KEY = Step("TransportKey(NetworkKey)", "tc>device", None, "KEY_TRANSPORT")
ANNOUNCE = Step("DeviceAnnce", "device>all", 0, None)
TIMEOUT = [
    Step("EndDeviceTimeoutRequest", "device>tc", 0, None),
    Step("EndDeviceTimeoutResponse", "tc>device", 0, None),
]
EXCHANGE = [
    Step("NodeDescReq", "device>tc", 0, None),
    Step("NodeDescRsp", "tc>device", 0, None),
    Step("RequestKey", "device>tc", 0, "DATA"),
    Step("TransportKey(TrustCenterLinkKey)", "tc>device", 0, "KEY_LOAD"),
    Step("VerifyKey", "device>tc", 0, None),
    Step("ConfirmKey", "tc>device", 0, "DATA"),
]
OPENING = Step("MgmtPermitJoiningReq", "device>all", 0, None)


def steps(network: Network, device: Node, first: int = 1) -> list[Step]:
    frames = [CapturedFrame(round(sent.time * 1e9), sent.psdu) for sent in network.log]
    return join_steps(frames, device.eui64, [INSTALL_CODE_KEY], first=first)


def test_a_router_with_an_install_code(network: Network) -> None:
    device = network.node(Role.ROUTER, INSTALL_CODE_KEY)
    network.trust_center.allowed[device.eui64] = INSTALL_CODE_KEY
    device.power_on()
    network.run(15)
    assert steps(network, device) == [*ASSOCIATION, NETWORK_KEY, ANNOUNCE, *EXCHANGE, OPENING]


def test_a_sleepy_device_with_an_install_code(network: Network) -> None:
    device = network.node(Role.SLEEPY_END_DEVICE, INSTALL_CODE_KEY)
    network.trust_center.allowed[device.eui64] = INSTALL_CODE_KEY
    device.power_on()
    network.run(20)
    assert steps(network, device) == [*ASSOCIATION, NETWORK_KEY, ANNOUNCE, *TIMEOUT, *EXCHANGE, OPENING]


def test_a_device_that_tries_its_install_code_first(network: Network) -> None:
    for role, extra in ((Role.ROUTER, []), (Role.SLEEPY_END_DEVICE, TIMEOUT)):
        device = network.node(role, INSTALL_CODE_KEY, WELL_KNOWN_KEY)
        device.power_on()
        network.run(25)
        twice = [*ASSOCIATION, NETWORK_KEY, *ASSOCIATION, NETWORK_KEY]
        assert steps(network, device) == [*twice, ANNOUNCE, *extra, *EXCHANGE, OPENING]


def test_a_sleepy_device_behind_a_router(network: Network) -> None:
    router = network.joined()
    network.coordinator.routing.announce_concentrator()
    network.run(10)
    device = network.node(Role.SLEEPY_END_DEVICE, parent=router)
    router.parenting.permit_joining(255)
    device.power_on()
    network.run(20)
    tunnelled = Step("Tunnel/TransportKey(NetworkKey)", "tc>router", 0, "KEY_TRANSPORT")
    passed_on = Step("TransportKey(NetworkKey)", "router>device", None, "KEY_TRANSPORT")
    assert steps(network, device) == [
        *ASSOCIATION,
        Step("UpdateDevice", "router>tc", 0, "DATA"),
        Step("UpdateDevice", "router>tc", 0, None),
        tunnelled,
        tunnelled,
        passed_on,
        ANNOUNCE,
        Step("EndDeviceTimeoutRequest", "device>router", 0, None),
        passed_on,
        Step("EndDeviceTimeoutResponse", "router>device", 0, None),
        *EXCHANGE,
        OPENING,
    ]


def test_a_key_update_that_a_sleeper_misses_and_its_way_back(network: Network) -> None:
    router = network.joined()
    device = network.joined(Role.SLEEPY_END_DEVICE)
    network.run(10)
    start = len(network.log)
    device.polling.suspended = True
    network.update_network_key(bytes(16), 1)
    network.run(2)
    assert (router.keys.active, device.keys.active) == (1, 0)
    before = device.keys.counter

    device.polling.suspended = False
    device.rejoin(secured=False)
    network.until(lambda: device.keys.active == 1)
    network.run(2)

    assert steps(network, device, start + 1) == [
        Step("RejoinRequest", "device>tc", None, None),
        Step("RejoinResponse", "tc>device", None, None),
        NETWORK_KEY,
        Step("DeviceAnnce", "device>all", 1, None),
        Step("EndDeviceTimeoutRequest", "device>tc", 1, None),
        Step("EndDeviceTimeoutResponse", "tc>device", 1, None),
    ]
    assert device.keys.counter > before, "the counter goes on under the new key"


def times(network: Network, sender: Node, wanted: Callable[[MacFrame], bool]) -> list[float]:
    """When `sender` sent frames of a kind."""
    return [
        sent.time
        for sent in network.log
        if sent.sender == sender.name and sent.frame is not None and wanted(sent.frame)
    ]


def is_command(identifier: MacCommand) -> Callable[[MacFrame], bool]:
    return lambda frame: frame.type is MacType.COMMAND and frame.payload[0] == identifier


def is_broadcast_data(frame: MacFrame) -> bool:
    return (
        frame.type is MacType.DATA
        and frame.dst == 0xFFFF
        and NwkFrame.decode(frame.payload).type is NwkType.DATA
    )


def test_the_times_are_silicons(network: Network) -> None:
    device = network.joined()
    network.run(10)
    (request,) = times(network, device, is_command(MacCommand.ASSOCIATION_REQUEST))
    (response,) = times(network, network.coordinator, is_command(MacCommand.ASSOCIATION_RESPONSE))
    assert response - request == pytest.approx(0.203, abs=0.01)
    key = times(network, network.coordinator, lambda frame: frame.type is MacType.DATA and frame.ack_request)[
        0
    ]
    assert 0.028 <= key - response <= 0.036
    announces = times(network, device, is_broadcast_data)[:3]
    assert announces[0] - key == pytest.approx(0.022, abs=0.004)
    assert [later - announces[0] for later in announces[1:]] == [
        pytest.approx(0.48, abs=0.05),
        pytest.approx(0.95, abs=0.08),
    ]
    exchange = times(network, device, lambda frame: frame.type is MacType.DATA and frame.ack_request)
    assert 2.4 <= exchange[0] - announces[0] <= 4.0
    assert exchange[-1] - exchange[0] < 0.2, "60 to 170 ms for a router"


def test_a_sleepy_exchange_takes_seconds(network: Network) -> None:
    device = network.joined(Role.SLEEPY_END_DEVICE)
    sent = times(
        network,
        device,
        lambda frame: frame.type is MacType.DATA and NwkFrame.decode(frame.payload).type is NwkType.DATA,
    )
    exchange = [when for when in sent if when > sent[0] + 2]
    assert 1.5 <= exchange[-1] - exchange[0] <= 3.6, "one poll a step"

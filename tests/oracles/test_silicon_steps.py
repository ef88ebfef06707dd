"""What real devices did when they joined, step by step. The lists are what an emulated device is held to."""

from __future__ import annotations

import pytest

from tests.oracles.silicon import (
    INSTALL_CODE_KEY,
    ROUTER,
    SLEEPY,
    Step,
    join_steps,
    real_capture,
    side_by_side,
)

ASSOCIATION = [
    Step("AssociationRequest", "device>parent", None, None),
    Step("AssociationResponse", "parent>device", None, None),
]
NETWORK_KEY = [Step("TransportKey(NetworkKey)", "tc>device", None, "KEY_TRANSPORT")]
ANNOUNCEMENT = [Step("DeviceAnnce", "device>all", 0, None)]
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
# The last step of network steering: whoever joined opens the network for the next one.
STEERING = [Step("MgmtPermitJoiningReq", "device>all", 0, None)]

ROUTER_JOIN = [*ASSOCIATION, *NETWORK_KEY, *ANNOUNCEMENT, *EXCHANGE, *STEERING]
SLEEPY_JOIN = [*ASSOCIATION, *NETWORK_KEY, *ANNOUNCEMENT, *TIMEOUT, *EXCHANGE, *STEERING]
SECOND_TRY = [*ASSOCIATION, *NETWORK_KEY]
THROUGH_ROUTER = [
    *ASSOCIATION,
    Step("UpdateDevice", "router>tc", 0, "DATA"),
    Step("UpdateDevice", "router>tc", 0, None),
    Step("Tunnel/TransportKey(NetworkKey)", "tc>router", 0, "KEY_TRANSPORT"),
    Step("Tunnel/TransportKey(NetworkKey)", "tc>router", 0, "KEY_TRANSPORT"),
    Step("TransportKey(NetworkKey)", "router>device", None, "KEY_TRANSPORT"),
    *ANNOUNCEMENT,
    Step("EndDeviceTimeoutRequest", "device>router", 0, None),
    Step("TransportKey(NetworkKey)", "router>device", None, "KEY_TRANSPORT"),
    Step("EndDeviceTimeoutResponse", "router>device", 0, None),
    *EXCHANGE,
    *STEERING,
]


@pytest.mark.parametrize(
    ("name", "device", "first", "last", "expected"),
    [
        ("join-install-code", ROUTER, 4, 54, ROUTER_JOIN),
        ("join-install-code", SLEEPY, 55, 179, SLEEPY_JOIN),
        # Both devices of this capture need a second association.
        ("join-well-known-key", ROUTER, 6, 65, SECOND_TRY + ROUTER_JOIN),
        ("join-well-known-key", SLEEPY, 66, 186, SECOND_TRY + SLEEPY_JOIN),
        ("hashed-link-keys", ROUTER, 6, 56, ROUTER_JOIN),
        ("hashed-link-keys", SLEEPY, 59, 193, THROUGH_ROUTER),
        ("network-key-update", ROUTER, 1, 155, ROUTER_JOIN),
        ("network-key-update", SLEEPY, 1, 155, SLEEPY_JOIN),
        # The exchange of the link key alone.
        ("join-install-code", ROUTER, 17, 46, EXCHANGE),
        ("join-install-code", SLEEPY, 82, 121, EXCHANGE),
        ("join-well-known-key", ROUTER, 27, 56, EXCHANGE),
        ("hashed-link-keys", SLEEPY, 101, 173, EXCHANGE),
    ],
)
def test_what_silicon_did(name: str, device: int, first: int, last: int, expected: list[Step]) -> None:
    frames = real_capture(f"emberznet-{name}.pcapng")
    steps = join_steps(frames, device, [INSTALL_CODE_KEY], first=first, last=last)
    assert steps == expected, "\n" + side_by_side(expected, steps, ("expected", "silicon"))


def test_the_trust_center_rejoin() -> None:
    frames = real_capture("emberznet-trust-center-rejoin.pcapng")
    steps = join_steps(frames, SLEEPY, first=52)
    assert steps[-6:] == [
        Step("RejoinRequest", "device>tc", None, None),
        Step("RejoinResponse", "tc>device", None, None),
        Step("TransportKey(NetworkKey)", "tc>device", None, "KEY_TRANSPORT"),
        Step("DeviceAnnce", "device>all", 1, None),
        Step("EndDeviceTimeoutRequest", "device>tc", 1, None),
        Step("EndDeviceTimeoutResponse", "tc>device", 1, None),
    ]


def test_side_by_side_marks_what_differs() -> None:
    table = side_by_side(ROUTER_JOIN, SLEEPY_JOIN, ("router", "sleepy")).splitlines()
    assert len(table) == len(SLEEPY_JOIN) + 1
    assert [line[:2] for line in table[1:6]] == ["  ", "  ", "  ", "  ", "!="]

"""What the tests of the co-processor's commands share: their host's type, contexts and a message."""

from __future__ import annotations

from typing import Any, Protocol

import pytest

from hubsec_emulated.clock import VirtualClock
from hubsec_emulated.ncp.ezsp import SUPPORTED_VERSIONS
from hubsec_emulated.ncp.ncp import Ncp
from hubsec_emulated.stack.interface import ApsIndication, DeliveryMode

DEVICE = 0x00124B0001020304
WILDCARD = 0xFFFFFFFFFFFFFFFF
EVERY_VERSION = pytest.mark.parametrize("host", SUPPORTED_VERSIONS, indirect=True)
APS = {
    "profile": 0x0104,
    "cluster": 6,
    "source_endpoint": 1,
    "destination_endpoint": 1,
    "options": 0x0140,
    "group": 0,
    "sequence": 0,
}


class Host(Protocol):
    """The fixture's type: see conftest."""

    ncp: Ncp
    radio: Any
    clock: VirtualClock
    answers: list[Any]
    sequence: int

    def __call__(self, name: str, **args: Any) -> dict[str, Any]: ...
    def callbacks(self, name: str) -> list[dict[str, Any]]: ...
    def form(self, *, bitmask: int = ..., key: bytes = ..., **network: Any) -> None: ...


def context(key_type: int, index: int = 0, **more: int) -> dict[str, Any]:
    return {
        "key_type": key_type,
        "index": index,
        "derived": 0,
        "eui64": 0,
        "network": 0,
        "flags": 0,
        "algorithm": 0,
        **more,
    }


def indication(**change: Any) -> ApsIndication:
    values: dict[str, Any] = {
        "src": 0x1234,
        "src_eui64": DEVICE,
        "dst": 0,
        "mode": DeliveryMode.UNICAST,
        "profile": 0x0104,
        "cluster": 6,
        "src_ep": 1,
        "dst_ep": 1,
        "counter": 9,
        "payload": b"hello",
    }
    return ApsIndication(**{**values, **change})

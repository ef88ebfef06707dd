"""The few payloads that the gate has to look into.

Decoded by hand, because they come from strangers and decide about safety: every function takes any bytes, and raises
:class:`MalformedFrame` and nothing else. Addresses are ints, an EUI64 is an :data:`~hubsec.identity.Identity`.

Sources: Zigbee specification 2.4.3 and 2.4.4 (ZDO), Zigbee Cluster Library 2.4 (header), Green Power Basic
specification A.3.3.5 (proxy commissioning mode, pairing); the XNCP frame as in the public EmberZNet firmware
builds for bellows.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Final

from hubsec.errors import HubsecError
from hubsec.identity import Identity

ZDO_PROFILE: Final = 0x0000
IEEE_ADDR_REQ: Final = 0x0001
DEVICE_ANNCE: Final = 0x0013
MGMT_LEAVE_REQ: Final = 0x0034
MGMT_PERMIT_JOINING_REQ: Final = 0x0036
NWK_ADDR_RSP: Final = 0x8000
IEEE_ADDR_RSP: Final = 0x8001
MGMT_LEAVE_RSP: Final = 0x8034

GREEN_POWER_CLUSTER: Final = 0x0021
_GP_PAIRING: Final = 0x01
_GP_COMMISSIONING_MODE: Final = 0x02
_GP_RESPONSE: Final = 0x06

_XNCP_SEND_UNICAST: Final = 0x0009
_XNCP_LAST_KNOWN: Final = 0x0009


class MalformedFrame(HubsecError):
    """The bytes make no sense at this layer; `layer` says which."""

    def __init__(self, layer: str, reason: str) -> None:
        super().__init__(f"{layer}: {reason}")
        self.layer = layer
        self.reason = reason


def identity_of(eui64: int) -> Identity:
    """The identity of a 64-bit address given as the number that it prints."""
    digits = f"{eui64:016x}"
    return Identity(":".join(digits[i : i + 2] for i in range(0, 16, 2)))


def names_nobody(device: Identity) -> bool:
    """Whether it is all zeros or all ones: no device's address (IEEE 802.15.4-2015, 5.1)."""
    return device in ("00:00:00:00:00:00:00:00", "ff:ff:ff:ff:ff:ff:ff:ff")


def _unpack(layer: str, layout: str, payload: bytes) -> tuple[int, ...]:
    try:
        return struct.unpack_from("<" + layout, payload)
    except struct.error:
        raise MalformedFrame(layer, f"{len(payload)} bytes are too few") from None


@dataclass(frozen=True, slots=True)
class Claim:
    """A ZDO payload that says which device has which short address."""

    device: Identity
    short: int


def device_annce(payload: bytes) -> Claim:
    """Device_annce (2.4.3.1.11): sequence, short address, EUI64, capability."""
    _, short, eui64, _ = _unpack("zdo", "BHQB", payload)
    return Claim(identity_of(eui64), short)


def address_response(payload: bytes) -> Claim | None:
    """NWK_addr_rsp or IEEE_addr_rsp (2.4.4.2.1, .2): sequence, status, EUI64, short address. None unless it is
    a success."""
    _, status = _unpack("zdo", "BB", payload)
    if status:
        return None
    _, _, eui64, short = _unpack("zdo", "BBQH", payload)
    return Claim(identity_of(eui64), short)


def permit_joining(payload: bytes) -> int:
    """Mgmt_Permit_Joining_req (2.4.3.3.7): sequence, duration in seconds, significance. The duration."""
    return _unpack("zdo", "BBB", payload)[1]


def leave_response(payload: bytes) -> int:
    """Mgmt_Leave_rsp (2.4.4.3.5): sequence, status. The status, 0 for success."""
    return _unpack("zdo", "BB", payload)[1]


@dataclass(frozen=True, slots=True)
class GreenPowerOrder:
    """What a command to Green Power proxies would do. `window` seconds of commissioning, 0 if it opens none."""

    opens: bool
    window: int
    hands_out_keys: bool


_NO_ORDER: Final = GreenPowerOrder(opens=False, window=0, hands_out_keys=False)


def green_power_order(payload: bytes) -> GreenPowerOrder:
    """A Green Power cluster command: ZCL header, then Proxy Commissioning Mode (0x02), Pairing (0x01) or
    Response (0x06)."""
    control, *_ = _unpack("zcl", "B", payload)
    start = 1 + (2 if control & 0x04 else 0) + 1
    command, *_ = _unpack("zcl", "B", payload[start:])
    body = payload[start + 1 :]
    if control & 0x03 != 0x01:
        return _NO_ORDER
    if command == _GP_COMMISSIONING_MODE:
        options, *_ = _unpack("green power", "B", body)
        if not options & 0x01:
            return _NO_ORDER
        window = _unpack("green power", "BH", body)[1] if options & 0x02 else 180
        return GreenPowerOrder(opens=True, window=window, hands_out_keys=False)
    if command == _GP_PAIRING:
        options, more = _unpack("green power", "HB", body)
        adds_sink = bool((options | more << 16) & 0x08)
        return GreenPowerOrder(opens=False, window=0, hands_out_keys=adds_sink)
    return GreenPowerOrder(opens=False, window=0, hands_out_keys=command == _GP_RESPONSE)


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A message that the host wants to send. `destination` None: not to one device."""

    profile: int
    cluster: int
    payload: bytes
    destination: int | None


def xncp_frame(payload: bytes) -> Outgoing | None:
    """A custom frame to the NCP: the message that it would send, None for a known command that sends none.

    Layout of a unicast, little-endian: command id, status, flags, destination, APS frame (profile, cluster, two
    endpoints, options, group, sequence), tag; flag 0: EUI64 and a bool; flag 1: counted list of short
    addresses; the message.
    """
    command, _ = _unpack("xncp", "HB", payload)
    if command > _XNCP_LAST_KNOWN:
        raise MalformedFrame("xncp", f"command 0x{command:04x} is not known")
    if command != _XNCP_SEND_UNICAST:
        return None
    _, _, flags, destination, profile, cluster = _unpack("xncp", "HBBHHH", payload)
    start = struct.calcsize("<HBBHHHBBHHBB")
    if flags & 0x01:
        start += 9
    if flags & 0x02:
        start += 1 + 2 * _unpack("xncp", "B", payload[start:])[0]
    return Outgoing(profile, cluster, payload[start:], destination)

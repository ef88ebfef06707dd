"""Addresses: what the reserved ones mean, and EUI64s as text."""

from __future__ import annotations

import re
from typing import Final

from hubsec_emulated.errors import FrameError

COORDINATOR: Final = 0x0000
"""Short address of the coordinator, Zigbee specification 3.6.1.5."""
BROADCAST_ALL: Final = 0xFFFF
"""Every node, sleepy ones through their parents; Zigbee specification table 3-76, as are the three below."""
BROADCAST_RX_ON: Final = 0xFFFD
"""Every node whose receiver is on when idle."""
BROADCAST_ROUTERS: Final = 0xFFFC
"""Every router and the coordinator."""
BROADCAST_LOW_POWER: Final = 0xFFFB
"""Low-power routers only."""
BROADCAST_FIRST: Final = 0xFFF8
"""From here on short addresses are broadcast or reserved."""
NO_SHORT: Final = 0xFFFE
"""A MAC that is associated but has no short address; unknown address at the network layer. IEEE 802.15.4 5.1.3.1."""
NO_PAN: Final = 0xFFFF
"""The broadcast PAN id. IEEE 802.15.4 5.2.1.2."""

_EUI64_TEXT: Final = re.compile(r"[0-9A-Fa-f]{2}(?::[0-9A-Fa-f]{2}){7}|(?:0[xX])?[0-9A-Fa-f]{16}")
_EUI64_LIMIT: Final = 1 << 64


def is_broadcast(short: int) -> bool:
    """Say whether a network-layer destination is a broadcast address (reserved ones included)."""
    return short >= BROADCAST_FIRST


def format_eui64(eui64: int) -> str:
    """Return an EUI64 as eight colon-separated bytes, most significant first: ``00:12:4b:00:01:02:03:04``."""
    if not 0 <= eui64 < _EUI64_LIMIT:
        raise FrameError("An EUI64 has 64 bits.")
    return eui64.to_bytes(8, "big").hex(":")


def parse_eui64(text: str) -> int:
    """Read an EUI64 as :func:`format_eui64` writes it, or as 16 hex digits with or without ``0x``."""
    if not _EUI64_TEXT.fullmatch(text):
        raise FrameError("An EUI64 is written as eight bytes in hex: 00:12:4b:00:01:02:03:04.")
    return int(text.replace(":", ""), 16)


def format_short(short: int) -> str:
    """Return a short address as ``0x1a2b``."""
    return f"0x{short:04x}"

"""Who a device is, on both networks, and the words for how it stands.

An identity is text: on Zigbee the EUI64 as printed on the box, lower case with colons, most significant byte
first
(``00:12:4b:00:01:02:03:04``); on Z-Wave the DSK. It is what the allowlist is keyed by. It is never a short
address,
which a network hands out and takes back.
"""

from __future__ import annotations

import enum
import re
from typing import NewType

from hubsec.errors import StickerError

Identity = NewType("Identity", str)

_EUI64 = re.compile(r"(?:0x)?([0-9a-f]{2}(?:[:-]?[0-9a-f]{2}){7})", re.IGNORECASE)
# IEEE 802.15.4-2015, 5.1: all ones is the broadcast address, all zeros is no device's.
_NO_DEVICE = frozenset({"00" * 8, "ff" * 8})


def zigbee_identity(text: str) -> Identity:
    """The identity that `text` spells: 16 hex digits, plain or in pairs split by ``:`` or ``-``, with or
    without ``0x``.

    Raises :class:`~hubsec.errors.StickerError` for anything else, and for the addresses of no device.
    """
    try:
        match = _EUI64.fullmatch(text.strip())
    except (AttributeError, TypeError):
        match = None
    if match is None:
        raise StickerError("An EUI64 is 16 hex digits, such as 00:12:4b:00:01:02:03:04.")
    digits = re.sub("[:-]", "", match[1]).lower()
    if digits in _NO_DEVICE:
        raise StickerError("That EUI64 is the address of no device.")
    return Identity(":".join(digits[i : i + 2] for i in range(0, 16, 2)))


class Network(enum.StrEnum):
    """Which of the two radio networks."""

    ZIGBEE = "zigbee"
    ZWAVE = "zwave"


class Mode(enum.StrEnum):
    """Whether decisions are carried out, or only said."""

    OBSERVE = "observe"
    ENFORCE = "enforce"


class CredentialKind(enum.StrEnum):
    """By which proof a device may join."""

    INSTALL_CODE = "install-code"
    APPROVAL = "approval"
    """No secret: an operator let it in. On Zigbee the key then travels under a public key."""
    ADOPTED = "adopted"
    """It was on the network before hubsec was, and an operator confirmed it."""


class Mark(enum.StrEnum):
    """What is lasting and wrong about a device that is let in all the same."""

    EXPOSED = "exposed"
    """The network key was sent to it under a public key: who listened has it."""
    WEAK = "weak"
    """It holds no link key of its own that it has proved."""


class Standing(enum.StrEnum):
    """How a device stands with hubsec right now."""

    APPROVED = "approved"
    ADOPTED = "adopted"
    """It was here before hubsec, and is confirmed, or waits for that."""
    QUARANTINED = "quarantined"
    UNKNOWN = "unknown"
    """No entry, and the policy has not been asked about it yet."""

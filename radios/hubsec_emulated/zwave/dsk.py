"""Device-specific keys: the key pair of a Z-Wave S2 device, its DSK and PIN, and the QR code on its sticker.

A DSK is the first 16 bytes of the device's Curve25519 public key, written as eight groups of five digits; the first
group is the PIN (SDS13783, "Device Specific Key"). The QR code is decimal text (SDS13937, "Node Provisioning QR Code
Format").
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, Self

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

DSK_SIZE: Final = 16
"""Bytes of a DSK."""
PRIVATE_KEY_SIZE: Final = 32
"""Bytes of a Curve25519 private key (RFC 7748, section 5)."""
REQUEST_BITS: Final = {"S2_Unauthenticated": 0, "S2_Authenticated": 1, "S2_AccessControl": 2, "S0_Legacy": 7}
"""The security classes by their bit in a list of requested keys (CC:009F.01.05.11.009)."""
SMART_START_VERSION: Final = 1
"""The QR code's version for devices that can do SmartStart; 0 is for S2 alone."""
_LEAD_IN: Final = "90"
_PRODUCT_TYPE: Final = 0
_PRODUCT_ID: Final = 1


@dataclass(frozen=True, slots=True)
class KeyPair:
    """A device's Curve25519 key pair, raw. The private half is not shown."""

    private: bytes
    public: bytes

    @classmethod
    def from_bytes(cls, private: bytes) -> Self:
        """The pair of this private key, :data:`PRIVATE_KEY_SIZE` bytes of anything."""
        key = X25519PrivateKey.from_private_bytes(private)
        return cls(
            private=key.private_bytes(Encoding.Raw, PrivateFormat.Raw, NoEncryption()),
            public=key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw),
        )

    def __repr__(self) -> str:
        return "KeyPair(…)"

    @property
    def dsk(self) -> bytes:
        """The device-specific key: :data:`DSK_SIZE` bytes."""
        return self.public[:DSK_SIZE]


def format_dsk(dsk: bytes) -> str:
    """``12345-…``: eight groups of five digits."""
    return "-".join(f"{group:05}" for group in struct.unpack(">8H", dsk))


def nwi_home_id(dsk: bytes) -> bytes:
    """The home ID under which a device asks to be let in by SmartStart (SDS13782, "NWI Home ID")."""
    first, *middle, last = dsk[8:12]
    return bytes([first | 0xC0, *middle, last & 0xFE])


def auth_home_id(dsk: bytes) -> bytes:
    """The home ID under which the controller answers it (SDS13782, "Auth Home ID")."""
    first, *middle, last = dsk[12:16]
    return bytes([first & 0x3F, *middle, last | 0x01])


def smart_start_code(
    dsk: bytes,
    requests: Iterable[str],
    *,
    device_class: tuple[int, int],
    product: tuple[int, int, int],
    firmware: tuple[int, int] = (1, 0),
) -> str:
    """The text of a SmartStart QR code: ``90…``, digits only.

    `requests` are names out of :data:`REQUEST_BITS`, `device_class` generic and specific, `product` manufacturer,
    product type and product ID.
    """
    requested = sum(1 << REQUEST_BITS[name] for name in requests)
    generic, specific = device_class
    icon = 0
    content = "".join(
        [
            f"{requested:03}",
            "".join(f"{group:05}" for group in struct.unpack(">8H", dsk)),
            _tlv(_PRODUCT_TYPE, generic << 8 | specific, icon),
            _tlv(_PRODUCT_ID, *product, firmware[0] << 8 | firmware[1]),
        ]
    )
    # The first two bytes of a SHA-1, as the specification has it: against misreading, not against forgery.
    checksum = int.from_bytes(hashlib.sha1(content.encode(), usedforsecurity=False).digest()[:2], "big")
    return f"{_LEAD_IN}{SMART_START_VERSION:02}{checksum:05}{content}"


def _tlv(kind: int, *values: int) -> str:
    """A block of 16-bit values: type (doubled; the low bit says critical), length in digits, values."""
    digits = "".join(f"{value:05}" for value in values)
    return f"{kind * 2:02}{len(digits):02}{digits}"

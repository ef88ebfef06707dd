"""Install codes: how long they are, how they are checked, and the link key that is made of one.

An install code is 6, 8, 12 or 16 random bytes and their CRC, low byte first. The link key is its hash by AES-MMO, the
CRC included. Sources: Base Device Behavior 3.0.1, 10.1.1 (lengths, CRC) and 10.1.2 (key); Zigbee specification 05-3474,
B.6 (the hash) and B.1.3 (Matyas-Meyer-Oseas).
"""

from __future__ import annotations

from typing import Final

from hubsec.errors import StickerError
from hubsec.secret import Secret

# Base Device Behavior 3.0.1, 10.1.1: 48, 64, 96 or 128 bits, without the CRC.
CODE_BYTES: Final = (6, 8, 12, 16)
CRC_BYTES: Final = 2
# The same as hex digits with the CRC, as they are printed: 16, 20, 28 or 36.
CODE_DIGITS: Final = tuple(2 * (size + CRC_BYTES) for size in CODE_BYTES)
LINK_KEY_BYTES: Final = 16

_BLOCK: Final = 16
# CRC-16/X-25: the polynomial 0x1021, bits reflected.
_POLYNOMIAL: Final = 0x8408


def checksum(code: bytes) -> int:
    """The CRC-16/X-25 of `code`, which an install code carries behind its random bytes, low byte first."""
    crc = 0xFFFF
    for byte in code:
        crc ^= byte
        for _ in range(8):
            crc = (crc >> 1) ^ _POLYNOMIAL if crc & 1 else crc >> 1
    return crc ^ 0xFFFF


def check(install_code: bytes) -> None:
    """Raise :class:`~hubsec.errors.StickerError`, with the reason, unless `install_code` has a right length and CRC."""
    size = len(install_code)
    if size - CRC_BYTES not in CODE_BYTES:
        raise StickerError(wrong_length(2 * size))
    code, found = install_code[:-CRC_BYTES], install_code[-CRC_BYTES:]
    expected = checksum(code).to_bytes(CRC_BYTES, "little")
    if found == expected:
        return
    if found == expected[::-1]:
        raise StickerError(
            "The two bytes of the CRC, the last four digits, are swapped: exchange the last two pairs of digits."
        )
    raise StickerError("The CRC of the install code is wrong: one character may be mistyped.")


def wrong_length(digits: int) -> str:
    """The reason to give for an install code of so many hex digits, which is none."""
    reason = f"An install code has 16, 20, 28 or 36 hex digits, its CRC included; this one has {digits}."
    if digits // 2 in CODE_BYTES and not digits % 2:
        reason += " The last four digits, the CRC, may be missing."
    return reason


def link_key(install_code: bytes) -> Secret:
    """The 16-byte link key of `install_code`, which is given with its CRC.

    Raises :class:`~hubsec.errors.StickerError` for a wrong length or CRC.
    """
    check(install_code)
    return Secret(_aes_mmo(install_code))


def _aes_mmo(message: bytes) -> bytes:
    # Heavy, and needed only where a key is made: reading an allowlist or a policy must not pay for it.
    from cryptography.hazmat.primitives.ciphers import Cipher  # noqa: PLC0415
    from cryptography.hazmat.primitives.ciphers.algorithms import AES  # noqa: PLC0415
    from cryptography.hazmat.primitives.ciphers.modes import ECB  # noqa: PLC0415

    # B.6: one set bit, zeros, and the length in bits as 16 bits, so that whole blocks come out.
    padded = message + b"\x80"
    padded += bytes(-(len(padded) + 2) % _BLOCK) + (8 * len(message)).to_bytes(2, "big")
    digest = bytes(_BLOCK)
    for start in range(0, len(padded), _BLOCK):
        block = padded[start : start + _BLOCK]
        # The hash so far is the key; a single block in ECB is what the definition asks for.
        encryptor = Cipher(AES(digest), ECB()).encryptor()  # noqa: S305
        digest = bytes(left ^ right for left, right in zip(encryptor.update(block), block, strict=True))
    return digest

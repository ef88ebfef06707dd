"""Zigbee's cryptography: AES-MMO hash, keyed hash, CCM*, and the keys that are derived from keys.

Source: Zigbee specification revision 22, annex B (building blocks), 4.5.3 (derived keys), and the Base Device
Behavior specification 10.1 (install codes).
"""

from __future__ import annotations

from functools import lru_cache
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.aead import AESCCM
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import ECB

from hubsec_emulated.errors import FrameError, SecurityError

KEY_SIZE: Final = 16
"""Bytes of every Zigbee key, specification 4.2.1.2."""
MIC_SIZE: Final = 4
"""Bytes of the integrity code at security level 5, the only level Zigbee PRO uses; specification table 4-30."""
NONCE_SIZE: Final = 13
"""Bytes of the CCM* nonce, specification 4.5.2.2."""
WELL_KNOWN_KEY: Final = b"ZigBeeAlliance09"
"""The default global trust center link key: public. Base Device Behavior 6.3.1."""
ZLL_KEY: Final = bytes.fromhex("814286865DC1C8B2C8CBC52E5D65D1B8")
"""The Light Link commissioning link key: public since it leaked in 2015."""
INSTALL_CODE_SIZES: Final = (6, 8, 12, 16)
"""Bytes an install code may have, without its CRC. Base Device Behavior 10.1.1."""

_BLOCK: Final = 16
_CACHED_KEYS: Final = 1024
# A hash input of 2**16 bits or more gets the longer padding, specification B.6.
_LONG_HASH_BITS: Final = 1 << 16
_OUTER_PAD: Final = 0x5C
_INNER_PAD: Final = 0x36


def aes_mmo(data: bytes) -> bytes:
    """Hash `data` to 16 bytes: Matyas-Meyer-Oseas over AES-128. Specification B.6."""
    bits = len(data) * 8
    tail = bits.to_bytes(2, "big") if bits < _LONG_HASH_BITS else bits.to_bytes(4, "big") + b"\0\0"
    padded = data + b"\x80"
    padded += bytes(-(len(padded) + len(tail)) % _BLOCK) + tail
    digest = bytes(_BLOCK)
    for start in range(0, len(padded), _BLOCK):
        block = padded[start : start + _BLOCK]
        # ECB of one block is the bare AES permutation that the hash is built from, not a mode for messages.
        cipher = Cipher(AES(digest), ECB()).encryptor()  # noqa: S305
        digest = _xor(cipher.update(block), block)
    return digest


def keyed_hash(key: bytes, data: bytes) -> bytes:
    """Return the 16-byte keyed hash: HMAC (FIPS 198) with :func:`aes_mmo` as its hash. Specification B.1.4."""
    key = _checked(key)
    inner = aes_mmo(bytes(byte ^ _INNER_PAD for byte in key) + data)
    return aes_mmo(bytes(byte ^ _OUTER_PAD for byte in key) + inner)


@lru_cache(maxsize=_CACHED_KEYS)
def key_transport_key(link_key: bytes) -> bytes:
    """Derive the key under which a Transport-Key carries a network key. Specification 4.5.3."""
    return keyed_hash(link_key, b"\x00")


@lru_cache(maxsize=_CACHED_KEYS)
def key_load_key(link_key: bytes) -> bytes:
    """Derive the key under which a Transport-Key carries a link key. Specification 4.5.3."""
    return keyed_hash(link_key, b"\x02")


def verify_key_hash(link_key: bytes) -> bytes:
    """Return what Verify-Key sends to prove that its sender holds `link_key`. Specification 4.4.9.7."""
    return keyed_hash(link_key, b"\x03")


def install_code_crc(code: bytes) -> bytes:
    """Return the two CRC bytes in the order in which they follow an install code: CRC-16/X-25, low byte first."""
    crc = 0xFFFF
    for byte in code:
        crc ^= byte
        for _ in range(8):
            crc = (crc >> 1) ^ (0x8408 if crc & 1 else 0)
    return (crc ^ 0xFFFF).to_bytes(2, "little")


def install_code_key(code_with_crc: bytes) -> bytes:
    """Derive the pre-configured link key of an install code. Base Device Behavior 10.1.2.

    `code_with_crc` is 6, 8, 12 or 16 bytes and their two CRC bytes; FrameError when length or CRC is wrong.
    """
    if len(code_with_crc) - 2 not in INSTALL_CODE_SIZES:
        raise FrameError(
            f"An install code has 6, 8, 12 or 16 bytes and a CRC of 2, not {len(code_with_crc)}."
        )
    if install_code_crc(code_with_crc[:-2]) != code_with_crc[-2:]:
        raise FrameError("The CRC of the install code is wrong.")
    return aes_mmo(code_with_crc)


def hashed_tclk(seed: bytes, eui64: int) -> bytes:
    """Derive a device's trust center link key as EmberZNet does with hashed keys: keyed hash of its EUI64.

    `seed` is the trust center's secret of 16 bytes. Whoever has it has every such link key of that network.
    """
    return keyed_hash(seed, eui64.to_bytes(8, "little"))


def ccm_seal(key: bytes, nonce: bytes, header: bytes, plain: bytes) -> bytes:
    """Encrypt `plain` and authenticate it with `header`: ciphertext and a 4-byte MIC. Specification A, level 5."""
    return _ccm(key).encrypt(nonce, plain, header)


def ccm_open(key: bytes, nonce: bytes, header: bytes, sealed: bytes) -> bytes:
    """Undo :func:`ccm_seal`; SecurityError when the MIC does not match, which includes every wrong key."""
    if len(sealed) < MIC_SIZE:
        raise FrameError("A secured frame is too short for its integrity code.")
    try:
        return _ccm(key).decrypt(nonce, sealed, header)
    except InvalidTag as error:
        raise SecurityError("The integrity code does not match.") from error


@lru_cache(maxsize=_CACHED_KEYS)
def _ccm(key: bytes) -> AESCCM:
    return AESCCM(_checked(key), tag_length=MIC_SIZE)


def _checked(key: bytes) -> bytes:
    if len(key) != KEY_SIZE:
        raise FrameError(f"A key has {KEY_SIZE} bytes, not {len(key)}.")
    return bytes(key)


def _xor(left: bytes, right: bytes) -> bytes:
    return bytes(a ^ b for a, b in zip(left, right, strict=True))

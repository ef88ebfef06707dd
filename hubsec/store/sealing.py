"""Sealing: how a secret lies on disk.

A sealed value is ``version (1 byte) | nonce (12) | ciphertext | tag (16)``, AES-256-GCM under a key of 32 bytes. The
associated data names the database, the table, the row and the column, each with its length before it, so that a value
opens nowhere but where it was sealed. Each sealing draws a new random nonce (NIST SP 800-38D, 8.2.2: safe for 2^32 of
them, which no house comes near).

The store's data key seals rows; a key-encryption key seals the data key (:mod:`hubsec.store.wrapping`). Of the latter
the database keeps a fingerprint, by which a wrong one is told from a wrap that was changed.
"""

from __future__ import annotations

import hmac
import os
from typing import Final

from hubsec.errors import SealError
from hubsec.secret import Secret

KEY_BYTES: Final = 32
# NIST SP 800-38D, 5.2.1.1: the length for which GCM is fastest and whose random choice is covered.
NONCE_BYTES: Final = 12
TAG_BYTES: Final = 16
_VERSION: Final = b"\x01"
_FINGERPRINT_CONTEXT: Final = b"hubsec key-encryption key, fingerprint 1"


class Place(tuple[str, ...]):
    """Where a sealed value belongs: database, table, row, column."""

    __slots__ = ()

    def encode(self) -> bytes:
        """The associated data: each part with its length before it, so that no two places look alike."""
        parts = [part.encode() for part in self]
        return b"".join(len(part).to_bytes(4, "big") + part for part in parts)


class Seal:
    """Seals and opens with one key."""

    def __init__(self, key: Secret) -> None:
        self._key = key

    @property
    def key(self) -> Secret:
        """The key, to be wrapped."""
        return self._key

    @property
    def fingerprint(self) -> bytes:
        """By which the key is known again; says nothing about it."""
        return hmac.digest(self._key.reveal(), _FINGERPRINT_CONTEXT, "sha256")

    def seal(self, secret: Secret, place: Place) -> bytes:
        """The sealed form of `secret`, which opens at `place` alone."""
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM  # noqa: PLC0415

        nonce = os.urandom(NONCE_BYTES)
        sealed = AESGCM(self._key.reveal()).encrypt(nonce, secret.reveal(), place.encode())
        return _VERSION + nonce + sealed

    def open(self, sealed: bytes, place: Place) -> Secret:
        """What was sealed at `place`. Raises :class:`~hubsec.errors.SealError` for anything else."""
        from cryptography.exceptions import InvalidTag  # noqa: PLC0415
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM  # noqa: PLC0415

        version, nonce, rest = sealed[:1], sealed[1 : 1 + NONCE_BYTES], sealed[1 + NONCE_BYTES :]
        if version != _VERSION or len(rest) < TAG_BYTES:
            raise SealError(_tampered(place))
        try:
            return Secret(AESGCM(self._key.reveal()).decrypt(nonce, rest, place.encode()))
        except InvalidTag:
            raise SealError(_tampered(place)) from None


def _tampered(place: Place) -> str:
    _, table, row, column = place
    return (
        f"{column} of {row} in {table} does not open: it was changed, or moved here from elsewhere. Revoke that "
        "device and add it again with its sticker."
    )


WHAT_ELSE: Final = (
    "If it is lost for good, so are the sealed link keys, while devices that have joined keep working: forget the "
    "secrets, and add the devices that have yet to join again, with their stickers."
)

"""How records hang together.

A record's hash is SHA-256 over: a domain tag; the hash before it (32 bytes); its number (8 bytes, big-endian); its time
(an IEEE 754 double, big-endian); the lengths of kind, device, correlation and body in UTF-8 (4 bytes each, all ones
for a record without a device); and those four texts. Every part has a fixed length or its length before it, so no two
records hash the same bytes. The first record of a store follows the hash of another tag and the store's name.
"""

from __future__ import annotations

import struct
from hashlib import sha256
from math import isfinite
from typing import Final

DIGEST_BYTES: Final = 32
_RECORD_TAG: Final = b"hubsec audit record 1\0"
_STORE_TAG: Final = b"hubsec audit log 1\0"
_number: Final = struct.Struct(">Q").pack
_pack: Final = struct.Struct(">d4I").pack
_NO_DEVICE: Final = 0xFFFFFFFF


def genesis(store: str) -> bytes:
    """The hash that the first record of the store of that name follows."""
    return sha256(_STORE_TAG + store.encode()).digest()


def packed(at: float, kind: bytes, device: bytes | None, correlation: bytes, body: bytes) -> bytes:
    """A record's own part of what is hashed. Raises ValueError for a time that is not finite."""
    if not isfinite(at):
        raise ValueError
    named = _NO_DEVICE if device is None else len(device)
    fields = _pack(at, len(kind), named, len(correlation), len(body))
    return b"".join((fields, kind, device or b"", correlation, body))


def link(previous: bytes, seq: int, own: bytes) -> bytes:
    """The hash of record `seq`, whose own part is `own`, after the record whose hash is `previous`."""
    return sha256(b"".join((_RECORD_TAG, previous, _number(seq), own))).digest()

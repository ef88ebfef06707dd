"""How records hang together.

A record's own part is an array in MessagePack (https://github.com/msgpack/msgpack/blob/master/spec.md, each value in
its shortest form): its time as a float 64, then kind, device (nil for a record without one) and correlation as strings,
and its body as binary. Each value says its type and its length, so no two records have the same bytes.

A record's hash is SHA-256 over: a domain tag; the hash before it (32 bytes); its number (8 bytes, big-endian); and its
own part. The first record of a store follows the hash of another tag and the store's name.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from hashlib import sha256
from typing import Final

import msgspec

DIGEST_BYTES: Final = 32
_RECORD_TAG: Final = b"hubsec audit record 1\0"
_STORE_TAG: Final = b"hubsec audit log 1\0"
# By as few calls as can be, here and below: each costs as much time as hashing some hundred bytes.
_before: Final = struct.Struct(f">{len(_RECORD_TAG)}s{DIGEST_BYTES}sQ").pack

type Own = tuple[float, str, str | None, str, bytes]
"""Time, kind, device, correlation and body of a record."""
packed: Final[Callable[[Own], bytes]] = msgspec.msgpack.Encoder().encode
"""A record's own part. Raises UnicodeEncodeError for a text that is none."""


def genesis(store: str) -> bytes:
    """The hash that the first record of the store of that name follows."""
    return sha256(_STORE_TAG + store.encode()).digest()


def link(previous: bytes, seq: int, own: bytes) -> bytes:
    """The hash of record `seq`, whose own part is `own`, after the record whose hash is `previous`, of 32 bytes."""
    return sha256(_before(_RECORD_TAG, previous, seq) + own).digest()

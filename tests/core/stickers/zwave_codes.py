"""Z-Wave stickers for tests, written from the description of their format and not by the code that reads them."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import Final

# Made up, and no device's: its PIN is 34028.
DSK: Final = bytes.fromhex("84ec5c7551cab50a83d21d07ddf538d9")
PRINTED: Final = "34028-23669-20938-46346-33746-07431-56821-14553"
TAIL: Final = "23669-20938-46346-33746-07431-56821-14553"
PIN: Final = "34028"


def fives(data: bytes) -> str:
    """Each two bytes of `data` as five decimal digits."""
    return "".join(f"{data[i] * 256 + data[i + 1]:05d}" for i in range(0, len(data), 2))


def printed(dsk: bytes, between: str = "-") -> str:
    """`dsk` as on a sticker."""
    digits = fives(dsk)
    return between.join(digits[i : i + 5] for i in range(0, len(digits), 5))


def block(kind: int, value: str, *, critical: bool = False) -> str:
    """One field of a QR code, its `value` given in digits."""
    return f"{2 * kind + critical:02d}{len(value):02d}{value}"


def sealed(version: str, body: str) -> str:
    """The QR code of a `body`, with its checksum before it."""
    checksum = int(hashlib.sha1(body.encode(), usedforsecurity=False).hexdigest()[:4], 16)
    return f"90{version}{checksum:05d}{body}"


PRODUCT_TYPE: Final = block(0, "04353" + "01537")
PRODUCT_ID: Final = block(1, "00134" + "00002" + "00100" + "00266")
PRODUCT: Final = (PRODUCT_TYPE, PRODUCT_ID)
INTERVAL: Final = block(2, "05")
UUID: Final = block(3, "00" + fives(bytes(range(16))))
PROTOCOLS: Final = block(4, "003")


def qr(
    dsk: bytes = DSK, *, version: str = "01", keys: str = "003", blocks: Iterable[str] = (*PRODUCT, PROTOCOLS)
) -> str:
    """The text of a QR code."""
    return sealed(version, keys + fives(dsk) + "".join(blocks))

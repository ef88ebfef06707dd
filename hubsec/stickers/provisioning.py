"""The QR codes of Z-Wave devices: decimal digits that say the DSK, and what is to be known before an inclusion.

``90``, two digits for the version (0: S2, 1: SmartStart), five for the checksum, three for the requested keys, forty
for the DSK, then blocks: two digits for a kind (doubled, plus one where it is critical), two for a length, and that
many digits. The checksum is the first two bytes of the SHA-1 of the digits behind it; the version is not covered.

Sources: Z-Wave Alliance, Node Provisioning QR Code Format (SDS13937), 3.1 for the digits and 3.1.1 for the blocks; Node
Provisioning Information Type Registry (SDS13944), 3.1.2 for what is in them.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from typing import Final

from hubsec.errors import StickerError
from hubsec.identity import Network, SecurityClass, dsk_identity
from hubsec.stickers.dsk import DSK_DIGITS, GROUP_BYTES, GROUP_MAX, dsk_of, fives, groups, is_decimal
from hubsec.stickers.sticker import Form, Product, Sticker
from hubsec.stickers.text import bare

_LEAD_IN: Final = "90"
_VERSION: Final = slice(2, 4)
_CHECKSUM: Final = slice(4, 9)
_COVERED: Final = slice(9, None)
_KEYS: Final = slice(9, 12)
_DSK: Final = slice(12, 12 + DSK_DIGITS)
_BLOCKS: Final = slice(_DSK.stop, None)
# Lead-in, version, checksum, keys and DSK. A whole code is longer, and nothing of Zigbee's that is longer is decimal.
_HEAD_DIGITS: Final = _DSK.stop
_FORMS: Final = {0: Form.QR_S2, 1: Form.SMART_START}

# The bits of the requested keys: S2 Command Class, KEX Report.
_CLASSES: Final = {
    0x01: SecurityClass.S2_UNAUTHENTICATED,
    0x02: SecurityClass.S2_AUTHENTICATED,
    0x04: SecurityClass.S2_ACCESS_CONTROL,
    0x80: SecurityClass.S0,
}

_HEADER_DIGITS: Final = 4
_PRODUCT_TYPE: Final = 0
_PRODUCT_ID: Final = 1
_REQUEST_INTERVAL: Final = 2
_UUID: Final = 3
_PROTOCOLS: Final = 4
# How many digits a block of each kind has. A bit mask has as many as it needs for one or two bytes.
_LENGTHS: Final = {
    _PRODUCT_TYPE: (10,),
    _PRODUCT_ID: (20,),
    _REQUEST_INTERVAL: (2,),
    _UUID: (42,),
    _PROTOCOLS: (2, 3, 5),
}
# The interval is counted in steps of so many seconds.
_INTERVAL_STEP: Final = 128
# How a UUID is to be shown; only the first way, 32 hex digits, is read.
_UUID_HEX: Final = 0
_UUID_FORMAT_DIGITS: Final = 2
_LONG_RANGE: Final = 0x02
_BYTE_DIGITS: Final = 3
_BYTE_MAX: Final = 0xFF

_WORDS: Final = re.compile(
    r"(?:(?:z-?wave|smart ?start|s2|qr(?:[ -]?code)?|code)(?![a-z])[\s:=#]*)+", re.IGNORECASE
)


def read_provisioning(text: str) -> Sticker | None:
    """The sticker that `text` spells when it is the QR code of a Z-Wave device; None when it is of another kind.

    Raises :class:`~hubsec.errors.StickerError` for a code that can't be taken.
    """
    code = _code(text)
    if code is None or len(code) <= _HEAD_DIGITS:
        return None
    form = _FORMS.get(int(code[_VERSION]))
    if form is None:
        raise StickerError(
            "This Z-Wave QR code is of a later kind than hubsec knows: give the DSK printed beside it."
        )
    # It guards against slips, not against anybody: whoever can print a sticker can print its checksum.
    digest = hashlib.sha1(code[_COVERED].encode(), usedforsecurity=False).digest()
    if int(code[_CHECKSUM]) != int.from_bytes(digest[:GROUP_BYTES]):
        raise StickerError(
            "The checksum of the Z-Wave QR code is wrong: a digit may be mistyped or missing, or there are digits that "
            "are not part of it."
        )
    dsk = dsk_of(groups(code[_DSK]))
    told = _told(code[_BLOCKS])
    product = _product(told)
    maker, *_ = fives(told[_PRODUCT_ID])
    return Sticker(
        network=Network.ZWAVE,
        form=form,
        credential=dsk,
        install_code=None,
        device=dsk_identity(dsk.reveal()),
        model=f"{product.product_type:04x}:{product.product_id:04x}",
        manufacturer_code=maker,
        smart_start=form is Form.SMART_START,
        requested=_requested(int(code[_KEYS])),
        long_range=bool(int(told.get(_PROTOCOLS, "0")) & _LONG_RANGE),
        product=product,
    )


def is_cut_short(text: str) -> bool:
    """Whether a text that is no sticker may be the beginning of such a QR code. No DSK begins with its ``90``."""
    code = _code(text)
    return code is not None and DSK_DIGITS <= len(code) <= _HEAD_DIGITS


def _code(text: str) -> str | None:
    """The digits of what may be such a QR code."""
    words = _WORDS.match(text)
    code = bare(text[words.end() :] if words else text)
    return code if is_decimal(code) and code.startswith(_LEAD_IN) else None


def _requested(keys: int) -> frozenset[SecurityClass]:
    if keys & ~sum(_CLASSES):
        raise StickerError(
            "The Z-Wave QR code asks for a security class that hubsec doesn't know: give the DSK printed beside it."
        )
    return frozenset(security for bit, security in _CLASSES.items() if keys & bit)


def _blocks(text: str) -> Iterator[tuple[int, bool, str]]:
    """Kind, whether it is critical, and value of each block."""
    at = 0
    while at < len(text):
        value = at + _HEADER_DIGITS
        kind, length = text[at : at + 2], text[at + 2 : value]
        end = value + int(length or "0")
        if value > len(text) or end > len(text):
            raise StickerError("The Z-Wave QR code ends in the middle of a field: digits of it are missing.")
        yield int(kind) >> 1, bool(int(kind) & 1), text[value:end]
        at = end


def _told(text: str) -> dict[int, str]:
    """The blocks that are understood, by their kind; of two of a kind the last one, as other readers have it.

    One that isn't understood is skipped, unless it is marked critical: then the code can't be used.
    """
    told: dict[int, str] = {}
    for kind, critical, value in _blocks(text):
        if _is_understood(kind, value):
            _in_range(kind, value)
            told[kind] = value
        elif critical:
            raise StickerError(
                "The Z-Wave QR code has a field that hubsec doesn't know and must not ignore: give the DSK printed "
                "beside it."
            )
    return told


def _is_understood(kind: int, value: str) -> bool:
    if len(value) not in _LENGTHS.get(kind, ()):
        return False
    return kind != _UUID or int(value[:_UUID_FORMAT_DIGITS]) == _UUID_HEX


def _in_range(kind: int, value: str) -> None:
    """Raise unless all numbers of the block fit their bytes."""
    match kind:
        case _ if kind == _UUID:
            fits = all(number <= GROUP_MAX for number in fives(value[_UUID_FORMAT_DIGITS:]))
        case _ if len(value) == _BYTE_DIGITS:
            fits = int(value) <= _BYTE_MAX
        case _:
            fits = all(number <= GROUP_MAX for number in fives(value))
    if not fits:
        raise StickerError("A number in the Z-Wave QR code is larger than its field can be.")


def _product(told: dict[int, str]) -> Product:
    if _PRODUCT_TYPE not in told or _PRODUCT_ID not in told:
        raise StickerError(
            "The Z-Wave QR code doesn't say which product it belongs to: it is not a whole one."
        )
    classes, icon = fives(told[_PRODUCT_TYPE])
    _, product_type, product_id, version = fives(told[_PRODUCT_ID])
    interval, uuid = told.get(_REQUEST_INTERVAL), told.get(_UUID)
    return Product(
        generic_class=classes >> 8,
        specific_class=classes & 0xFF,
        icon=icon,
        product_type=product_type,
        product_id=product_id,
        version=f"{version >> 8}.{version & 0xFF}",
        request_interval=None if interval is None else int(interval) * _INTERVAL_STEP,
        uuid=None if uuid is None else "".join(f"{n:04x}" for n in fives(uuid[_UUID_FORMAT_DIGITS:])),
    )

"""The QR codes of vendors, taken apart.

Each reader returns :class:`Parts`, the texts as they stand there, or None when the text is of another kind. The
shapes are those on the labels of Aqara, Danfoss, Inovelli, Ledvance, Somfy, ubisys and others (fields), of Signify
(Hue) and of Bosch (DLK).
"""

from __future__ import annotations

import string
from typing import Final

import msgspec

from hubsec.errors import StickerError
from hubsec.stickers.installcode import LINK_KEY_BYTES
from hubsec.stickers.sticker import Form
from hubsec.stickers.text import bare, hint

ADDRESS_DIGITS: Final = 16
LINK_KEY_DIGITS: Final = 2 * LINK_KEY_BYTES
# Bosch: six characters for the kind of label and 34 for product and revision stand before the address.
_DLK_PREFIX: Final = 40
_DLK: Final = "dlk"
_HUE: Final = "hue:"
# A Zigbee manufacturer code is 16 bits.
_MANUFACTURER_DIGITS: Final = 4
_NO_CODE: Final = "The QR code has no install code in it; look for one printed as text."


class Parts(msgspec.Struct, frozen=True, kw_only=True):
    """The texts of a sticker: the address or None, and either an install code or a ready link key."""

    form: Form
    address: str | None
    code: str | None = None
    key: str | None = None
    model: str | None = None
    manufacturer_code: int | None = None

    def __repr__(self) -> str:
        return f"Parts({self.form})"


def read_qr(text: str) -> Parts | None:
    """The parts of a QR code; None when `text` is none. Raises :class:`~hubsec.errors.StickerError` for half a one."""
    return _hue(text) or _fields(text) or _dlk(text)


def _fields(text: str) -> Parts | None:
    if "$" not in text:
        return None
    sections: dict[str, dict[str, str]] = {}
    for section in text.split("%"):
        first, *rest = section.split("$")
        name, value = _field(first)
        fields = sections.setdefault(name, {})
        fields.setdefault("", value)
        for field in rest:
            key, value = _field(field)
            fields.setdefault(key, value)
    zigbee = next((fields for fields in sections.values() if "i" in fields), None)
    if zigbee is None:
        raise StickerError(_NO_CODE)
    maker = bare(sections.get("m", {}).get("", ""))
    return Parts(
        form=Form.FIELDS,
        address=zigbee.get("a") or zigbee[""] or None,
        code=zigbee["i"],
        model=hint(sections.get("g", {}).get("m")),
        manufacturer_code=_manufacturer(maker),
    )


def _field(text: str) -> tuple[str, str]:
    name, _, value = text.partition(":")
    return name.strip().lower(), value


def _manufacturer(spelled: str) -> int | None:
    if len(spelled) != _MANUFACTURER_DIGITS or not set(spelled) <= set(string.hexdigits):
        return None
    return int(spelled, 16)


def _hue(text: str) -> Parts | None:
    if not text.lower().startswith(_HUE):
        return None
    fields: dict[str, str] = {}
    name = ""
    for word in text[len(_HUE) :].split():
        # A word such as "M:0017" begins a field. One that begins with digits goes on with the field before it.
        key, colon, value = word.partition(":")
        if colon and len(key) == 1 and key.isalpha():
            name = key.lower()
            fields.setdefault(name, "")
        else:
            value = word
        fields[name] = fields.get(name, "") + value
    if not fields.get("z"):
        raise StickerError(_NO_CODE)
    return Parts(form=Form.HUE, address=fields.get("m"), code=fields["z"], model=hint(fields.get("d")))


def _dlk(text: str) -> Parts | None:
    head, marker, secret = bare(text).partition(_DLK)
    if not marker:
        return None
    if len(head) != _DLK_PREFIX + ADDRESS_DIGITS:
        raise StickerError(
            f"Before DLK there are {_DLK_PREFIX} characters and the {ADDRESS_DIGITS} digits of the address, "
            f"{_DLK_PREFIX + ADDRESS_DIGITS} in all; here there are {len(head)}."
        )
    address = head[_DLK_PREFIX:]
    if len(secret) == LINK_KEY_DIGITS:
        return Parts(form=Form.DLK, address=address, key=secret)
    return Parts(form=Form.DLK, address=address, code=secret)

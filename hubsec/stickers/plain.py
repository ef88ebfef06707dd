"""Install codes that are printed as text: digits in groups, an address beside them, words before them.

Where the words do not tell what is what, the lengths do, and where they allow two readings, the CRC does. A text that
can be read in two right ways is refused; naming the device decides it.
"""

from __future__ import annotations

import enum
import re
from typing import Final

from hubsec.errors import StickerError
from hubsec.stickers.installcode import CODE_BYTES, CODE_DIGITS, CRC_BYTES, check, wrong_length
from hubsec.stickers.qr import ADDRESS_DIGITS, LINK_KEY_DIGITS, Parts
from hubsec.stickers.sticker import Form
from hubsec.stickers.text import digits


class _Word(enum.StrEnum):
    ADDRESS = "address"
    CODE = "code"
    KEY = "key"


_LABEL: Final = re.compile(
    r"""(?<![0-9a-z])(?:
        (?P<key>(?:(?:device|unique|trust\ center)\ )?link[ _-]?key)
      | (?P<code>(?:zigbee\ )?(?:install(?:ation)?[ _-]?code|setup\ code|code|ic))
      | (?P<address>(?:zigbee\ )?(?:eui[ _-]?64|eui|ieee|mac|addr(?:ess)?)(?:[ _-](?:address|addr|id))?)
    )(?![0-9a-z])\s*[:=\#]?""",
    re.IGNORECASE | re.VERBOSE,
)
# What stands between an address and a code, rather than between groups of digits.
_BETWEEN: Final = re.compile(r"[|,;/\t\r\n]+")
_SAID_TWICE: Final = (
    "The text says the same thing twice; give one install code, with the address of its device."
)


def read_plain(text: str, *, address_known: bool) -> Parts:
    """The parts of `text`. With `address_known` the caller names the device, so that the text need not.

    Raises :class:`~hubsec.errors.StickerError` when it is no install code.
    """
    loose, named = _by_label(text)
    if not named:
        return _unlabelled(loose, address_known=address_known)
    address, code, key = (named.get(word) for word in (_Word.ADDRESS, _Word.CODE, _Word.KEY))
    if digits(loose):
        if address is not None and code is None and key is None:
            code = loose
        elif address is None:
            address = loose
        else:
            raise StickerError(_SAID_TWICE)
    if code is not None and key is not None:
        raise StickerError("The text has an install code and a link key; give one of them.")
    if key is not None:
        if len(digits(key)) != LINK_KEY_DIGITS:
            raise StickerError(
                f"A link key has {LINK_KEY_DIGITS} hex digits; this one has {len(digits(key))}."
            )
        return Parts(form=Form.PLAIN, address=address, key=key)
    if address is None or code is None:
        # One label for both: "EUI64: … …". What follows it is then read as if it stood alone.
        only = address if address is not None else code
        return _unlabelled(only or "", address_known=address_known)
    return Parts(form=Form.PLAIN, address=address, code=code)


def _by_label(text: str) -> tuple[str, dict[_Word, str]]:
    """The text before the first label, and the text behind each."""
    labels = list(_LABEL.finditer(text))
    if not labels:
        return text, {}
    named: dict[_Word, str] = {}
    ends = [label.start() for label in labels[1:]] + [len(text)]
    for label, end in zip(labels, ends, strict=True):
        word = next(word for word in _Word if label[word])
        if word in named:
            raise StickerError(_SAID_TWICE)
        # A separator at either end is no content; one within is looked at by who reads the part.
        named[word] = _BETWEEN.sub("\n", text[label.end() : end]).strip()
    return _BETWEEN.sub("\n", text[: labels[0].start()]).strip(), named


def _unlabelled(text: str, *, address_known: bool) -> Parts:
    pieces = [piece for piece in _BETWEEN.split(text) if piece.strip()]
    if len(pieces) == 1:
        pieces = pieces[0].split()
    groups = [group for group in map(digits, pieces) if group]
    whole = "".join(groups)
    readings = _readings(groups, whole, address_known=address_known)
    if not readings:
        raise StickerError(_wrong(len(whole)))
    right: list[Parts] = []
    for address, code in readings:
        try:
            check(bytes.fromhex(code))
        except StickerError:
            continue
        right.append(Parts(form=Form.PLAIN, address=address, code=code))
    if len(right) > 1:
        raise StickerError(
            "The digits can be read in two ways: give the install code alone, and the EUI64 as device=."
        )
    if right:
        return right[0]
    if len(whole) in (ADDRESS_DIGITS, LINK_KEY_DIGITS):
        raise StickerError(_wrong(len(whole)))
    address, code = readings[0]
    # The reading that the lengths suggest, so that the CRC's own reason is given.
    return Parts(form=Form.PLAIN, address=address, code=code)


def _readings(groups: list[str], whole: str, *, address_known: bool) -> list[tuple[str | None, str]]:
    """Each way to read the digits as an install code, with or without an address, the likeliest first."""
    readings: list[tuple[str | None, str]] = []
    if len(whole) in CODE_DIGITS:
        readings.append((None, whole))
    if len(whole) - ADDRESS_DIGITS not in CODE_DIGITS:
        return readings
    alone = bool(readings)
    match groups:
        case [first, second] if ADDRESS_DIGITS in (len(first), len(second)):
            if len(first) == ADDRESS_DIGITS:
                readings.append((first, second))
            if len(second) == ADDRESS_DIGITS:
                readings.append((second, first))
        case [first, *_] if alone and (address_known or len(first) != ADDRESS_DIGITS):
            # 36 digits are a whole code; an address before a shorter one must stand apart to be taken for it.
            pass
        case _:
            readings.append((whole[:ADDRESS_DIGITS], whole[ADDRESS_DIGITS:]))
    return readings


def _wrong(length: int) -> str:
    """Why so many digits are no install code."""
    if length == 0:
        return "There is no install code in the text."
    if length == ADDRESS_DIGITS:
        return (
            "These 16 digits are an address without its install code, or a short install code with a wrong CRC: one "
            "character may be mistyped."
        )
    if length == LINK_KEY_DIGITS:
        return (
            "These 32 digits are an install code without the four digits of its CRC, or an address and a short install "
            "code with a wrong CRC. If they are a ready link key, write 'link key:' before them."
        )
    behind = length - ADDRESS_DIGITS
    if behind in (2 * size for size in CODE_BYTES):
        return f"Behind the address there are {behind} digits: the last four, the CRC, seem to be missing."
    if length > ADDRESS_DIGITS + max(CODE_DIGITS) + 2 * CRC_BYTES:
        return "This is no install code and no QR code that hubsec knows."
    return wrong_length(length)

"""The Device Specific Key (DSK) of a Z-Wave device, as it is printed: eight groups of five digits.

Each group is two bytes in decimal. The first one is the PIN, which never goes over the air; the other seven are sent in
the clear in every S2 inclusion, so a DSK without its PIN proves nothing. Nothing in a DSK is a checksum: of a mistyped
digit only what makes a group larger than 65535 is noticed here.

Sources: Z-Wave Alliance, Z-Wave Plus v2 Device Type Specification (SDS14224): how a DSK and its PIN are printed;
Security 2 Command Class (SDS11274): what they are.
"""

from __future__ import annotations

import re
import string
from typing import Final

from hubsec.errors import StickerError
from hubsec.identity import DSK_BYTES, Network, dsk_identity
from hubsec.secret import Secret
from hubsec.stickers.installcode import CODE_DIGITS
from hubsec.stickers.sticker import Form, Sticker
from hubsec.stickers.text import LOOKALIKES, bare, digits

_GROUP_DIGITS: Final = 5
GROUP_BYTES: Final = 2
GROUP_MAX: Final = 0xFFFF
_GROUPS: Final = DSK_BYTES // GROUP_BYTES
DSK_DIGITS: Final = _GROUPS * _GROUP_DIGITS
_TAIL_DIGITS: Final = DSK_DIGITS - _GROUP_DIGITS
_HEX_DIGITS: Final = 2 * DSK_BYTES
# So many groups of five digits are no Zigbee sticker: none of those has 30, 35 or 40 digits.
_SURELY_GROUPS: Final = 6

# A word stands at the beginning, or behind a blank or a separator; within the fields of a QR code it means nothing.
_LABEL: Final = re.compile(
    r"""(?<![^\s,;|(])(?:
        (?P<pin>(?:(?:s2|dsk)[ -])?pin(?:[ -]?code)?)
      | (?P<dsk>
          (?:(?:z-?wave|smart\ ?start|s2|full)[ -])*
          (?:zws2dsk|dsk|device[ -]specific\ key)(?:\ (?:code|key|string))?
        )
    )(?![a-z])\s*[:=\#]?""",
    re.IGNORECASE | re.VERBOSE,
)
_SEPARATORS: Final = re.compile(r"[\s,;|:._-]+")
# What stands for digits that somebody left out or made unreadable.
_HIDDEN: Final = re.compile(r"[\s(]*[?*#x\u2022]{1,5}(?![0-9a-z])", re.IGNORECASE)
_DIGITS: Final = frozenset(string.digits)

_PIN_MISSING: Final = (
    "The first five digits of the DSK, the PIN, are missing. They are printed on the device or its box, often "
    "underlined."
)
_SAID_TWICE: Final = "The text has more than one DSK or PIN; give the DSK of one device."


def read_dsk(text: str) -> Sticker | None:
    """The sticker that `text` spells when it is a printed DSK; None when it is of another kind.

    Raises :class:`~hubsec.errors.StickerError` for a DSK that can't be taken.
    """
    named = _by_label(text)
    if named is None:
        return _sticker(_dsk(text)) if _looks_printed(text) else None
    spelled, pin = named
    if not spelled.strip():
        raise StickerError(
            "The DSK is missing: give all of it, eight groups of five digits."
            if pin is None
            else "This is a PIN without its DSK: give the whole DSK, eight groups of five digits."
        )
    return _sticker(_dsk(spelled, pin))


def fives(spelled: str) -> list[int]:
    """The numbers of `spelled`, which is decimal digits alone: five make one."""
    return [int(spelled[i : i + _GROUP_DIGITS]) for i in range(0, len(spelled), _GROUP_DIGITS)]


def groups(spelled: str) -> list[int]:
    """The groups of a DSK, given as its decimal digits alone.

    Raises :class:`~hubsec.errors.StickerError` when one is larger than two bytes can be.
    """
    numbers = fives(spelled)
    for place, number in enumerate(numbers, 1):
        if number > GROUP_MAX:
            raise StickerError(
                f"Group {place} of the DSK is larger than {GROUP_MAX}: a digit may be mistyped or left out."
            )
    return numbers


def dsk_of(numbers: list[int]) -> Secret:
    """The DSK of eight groups."""
    return Secret(b"".join(number.to_bytes(GROUP_BYTES) for number in numbers))


def is_decimal(spelled: str) -> bool:
    """Whether `spelled` is decimal digits, at least one, and nothing else."""
    return bool(spelled) and _DIGITS.issuperset(spelled)


def _by_label(text: str) -> tuple[str, str | None] | None:
    """The DSK's text and the PIN's, by the words before them; None where no words say that this is a DSK."""
    labels = list(_LABEL.finditer(text))
    if not labels:
        return None
    loose = text[: labels[0].start()].strip(" \t\r\n,;|(")
    found: dict[str, str] = {}
    ends = [label.start() for label in labels[1:]] + [len(text)]
    for label, end in zip(labels, ends, strict=True):
        word = "pin" if label["pin"] else "dsk"
        if word in found:
            raise StickerError(_SAID_TWICE)
        found[word] = text[label.end() : end].strip(" \t\r\n,;|()")
    if "dsk" in found and loose:
        raise StickerError("Before the word DSK stands something that is none: give the DSK alone.")
    if "dsk" not in found and loose and not _looks_printed(loose):
        # A PIN can be of anything.
        return None
    pin = found.get("pin")
    if "dsk" not in found and not loose and pin is not None and _looks_printed(pin):
        return pin, None
    return found.get("dsk", loose), None if pin is None else bare(pin)


def _looks_printed(text: str) -> bool:
    """Whether a text without words can only be a DSK, right or not."""
    spelled = _spelled(text)
    if not _DIGITS.union(LOOKALIKES).issuperset(spelled):
        return False
    if len(spelled) == DSK_DIGITS or (len(spelled) == _TAIL_DIGITS and is_decimal(spelled)):
        return True
    sizes = [len(group) for group in _SEPARATORS.split(text) if group]
    if len(sizes) >= _SURELY_GROUPS and set(sizes) == {_GROUP_DIGITS}:
        return True
    # Some programs leave out the zeros at the front of a group. An install code keeps the benefit of the doubt.
    short = (
        len(sizes) == _GROUPS and max(sizes) == _GROUP_DIGITS and sizes.count(_GROUP_DIGITS) >= _GROUPS / 2
    )
    return short and len(spelled) not in CODE_DIGITS


def _spelled(text: str) -> str:
    """The characters of a DSK in lower case, without what stands in place of a hidden first group."""
    hidden = _HIDDEN.match(text)
    rest = "" if hidden is None else bare(text[hidden.end() :])
    return rest if len(rest) == _TAIL_DIGITS else bare(text)


def _dsk(text: str, pin: str | None = None) -> Secret:
    """The DSK that `text` spells, with the PIN that stands apart from it, if one does."""
    if pin is not None and (len(pin) != _GROUP_DIGITS or not is_decimal(pin)):
        raise StickerError("The PIN of a Z-Wave device is the first five digits of its DSK.")
    spelled = _spelled(text)
    key = _hex_dsk(text) if _looks_hex(spelled) else _decimal_dsk(spelled, pin)
    if pin is not None and int(pin) != int.from_bytes(key.reveal()[:GROUP_BYTES]):
        raise StickerError("The PIN is not the one of the DSK: one of them may belong to another device.")
    if not any(key.reveal()[:GROUP_BYTES]):
        # Programs that hide the PIN print zeros. One device in 65536 does have that PIN; its QR code can be read.
        raise StickerError(_PIN_MISSING)
    return key


def _looks_hex(spelled: str) -> bool:
    return not is_decimal(spelled) and set(string.hexdigits).issuperset(spelled.replace("0x", ""))


def _hex_dsk(text: str) -> Secret:
    spelled = digits(text)
    if len(spelled) != _HEX_DIGITS:
        raise StickerError(
            f"A DSK in hex has {_HEX_DIGITS} digits, and the usual one has {DSK_DIGITS} digits, 0 to 9 alone; this has "
            f"{len(spelled)} hex digits."
        )
    return Secret(bytes.fromhex(spelled))


def _decimal_dsk(spelled: str, pin: str | None) -> Secret:
    strange = frozenset(spelled) - _DIGITS
    if strange and strange <= LOOKALIKES:
        raise StickerError(
            "There is a letter O, I, L or Q among the digits of the DSK: it is probably a 0 or a 1."
        )
    if strange:
        raise StickerError("A DSK has 40 digits, or 32 hex digits; here stand other characters as well.")
    if len(spelled) == _TAIL_DIGITS:
        if pin is None:
            raise StickerError(_PIN_MISSING)
        spelled = pin + spelled
    if len(spelled) != DSK_DIGITS:
        raise StickerError(
            f"A DSK has eight groups of five digits, {DSK_DIGITS} in all, zeros at the front of a group included; this "
            f"one has {len(spelled)}."
        )
    return dsk_of(groups(spelled))


def _sticker(dsk: Secret) -> Sticker:
    return Sticker(
        network=Network.ZWAVE,
        form=Form.DSK,
        credential=dsk,
        install_code=None,
        device=dsk_identity(dsk.reveal()),
    )
